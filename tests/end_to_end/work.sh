#!/usr/bin/env bash
# Workers as people run them: what their commands are given, and what becomes of tasks when a worker, its guard or its
# command is killed, stopped or told to end. Nothing here goes by time: whatever is waited for is a file or a task.
. "$(dirname "$0")/begin_tasks.sh"
mkdir proj && cd proj && git init -q .
spots=$scratch/spots
mkdir "$spots"
# Also of one that nobody has waited for: its new parent may take its time.
gone() { case "$(ps -o stat= -p "$1")" in '' | Z*) ;; *) return 1 ;; esac; }
# A command that says its pid, and goes on for good.
lingers() { echo "echo \$\$ > $spots/.$1 && mv $spots/.$1 $spots/$1 && while :; do sleep 1000; done"; }
# The program itself, not a shell around it, is what is killed.
worker() { "$TASKSTORE" work "$@" >"$spots.out" 2>&1 & worker=$!; }

# What a command is given, and what is kept of it.
plain=$(taskstore task add -q --title plain --command "printf '%s|' \$HOME 'a b'")
id=$(add told 'cat >"$0.in" 2>/dev/null; echo "$TASKSTORE_TASK_ID $TASKSTORE_TASK_WORKER"; echo "{\"n\": 1}" >"$TASKSTORE_TASK_RESULT"; echo err >&2')
fails=$(add fails 'echo before; exit 3' --max-attempts 1)
expect 0 taskstore work --drain --worker w1
has "$out" "completed "; has "$out" "2 completed, 1 failed"
same "$(show "$plain" 'd["logs"]')" '$HOME|a b|'
same "$(show "$id" 'd["logs"], d["result"], d["exit_code"], d["assigned_to"]')" "('$id w1\nerr\n', {'n': 1}, 0, 'w1')"
same "$(show "$fails" 'd["status"], d["exit_code"], d["error_class"], d["logs"]')" "('failed', 3, 'logic', 'before\n')"
same "$(cat "$TASKSTORE_HOME/logs/tasks/$plain"-*.log)" '$HOME|a b|'
same "$(ls "$TASKSTORE_HOME/run")" ""
expect 0 taskstore work --drain --json; same "$(json "$out" 'd["tasks"]')" 0

# A command ends its task by itself, through what it is given.
id=$(add itself 'taskstore task complete --result "[7]" && exit 9')
expect 0 taskstore work --drain
same "$(show "$id" 'd["status"], d["result"]')" "('completed', [7])"

# One command for all: it reads the task.
taskstore task add -q --title 'by hand' --input '{"x": 5}' >/dev/null
expect 0 taskstore work --drain -- python3 -c 'import json,sys; print(json.load(sys.stdin)["input"]["x"] + 1)'
has "$out" "1 completed"
expect 0 taskstore task list --limit 1 --json; same "$(json "$out" 'd[0]["logs"]')" 6

# A worker that is killed: its command goes, with what it scattered, and whoever waits gets the task at once.
id=$(add killed "setsid sh -c '$(lingers far)' & ($(lingers near)) & $(lingers main)" --lease 1h)
worker --worker w1
until_true '[ -e $spots/far ] && [ -e $spots/near ] && [ -e $spots/main ]'
"$TASKSTORE" task next --wait 1h --worker next --quiet >"$spots/next" & next=$!
kill -9 $worker; wait $worker 2>/dev/null
wait $next; same "$(cat "$spots/next")" "$id"
for name in far near main; do gone "$(cat "$spots/$name")" || bad "$name outlived its worker"; done
same "$(show "$id" 'd["assigned_to"], d["rescues"], [h["verb"] for h in d["history"]]')" "('next', 1, ['create', 'claim', 'rescue', 'claim'])"
same "$(show "$id" 'd["history"][2]["reason"]')" "its worker died"
expect 0 taskstore task complete "$id"
rm "$spots"/*

# Nobody waits: the next claim frees it.
id=$(add unwatched "$(lingers main)" --lease 1h)
worker --worker w1
until_true '[ -e $spots/main ]'
kill -9 $worker; wait $worker 2>/dev/null
until_true 'gone $(cat $spots/main)'
until_true '[ "$(taskstore task claim --worker w2 --quiet)" = "$id" ]'
expect 0 taskstore task complete "$id"
same "$(ls "$TASKSTORE_HOME/run")" ""
rm "$spots"/*

# A task that keeps killing its workers is dead in the end.
id=$(add deadly 'kill -9 $(cat '"$spots"'/worker); sleep 1000' --max-rescues 1)
for round in 1 2; do
  rm -f "$spots/worker"
  (echo "$BASHPID" >"$spots/.worker"; mv "$spots/.worker" "$spots/worker"; exec "$TASKSTORE" work --worker "w$round" >/dev/null 2>&1) &
  wait $! 2>/dev/null
done
until_true 'taskstore task claim --quiet >/dev/null; [ "$(show $id "d[\"status\"]")" = failed ]'
has "$(show "$id" 'd["error"]')" "once too often"
expect 0 taskstore task dead list --quiet; has "$out" "$id"

# The guard is killed: as if the worker had died. Then the command is: the attempt failed. Nothing of either stays.
id=$(add guardless "echo \$PPID >$spots/.guard; mv $spots/.guard $spots/guard; setsid sh -c '$(lingers far)' & $(lingers main)" --max-rescues 0)
worker --worker w1 --once
until_true '[ -e $spots/far ] && [ -e $spots/main ]'
kill -9 "$(cat "$spots/guard")"
wait $worker
same "$(show "$id" 'd["status"], d["error_class"]')" "('failed', 'infra')"
for name in far main; do gone "$(cat "$spots/$name")" || bad "$name outlived its guard"; done
rm "$spots"/*
id=$(add shot "$(lingers main)" --max-attempts 1)
worker --worker w1 --once
until_true '[ -e $spots/main ]'
kill -9 "$(cat "$spots/main")"
wait $worker
same "$(show "$id" 'd["status"], d["exit_code"], d["error"]')" "('failed', 137, 'ended by signal 9')"
rm "$spots"/*

# Worker and guard are both killed: what the command left is killed before the task is free.
id=$(add orphan "echo \$PPID >$spots/.guard; mv $spots/.guard $spots/guard; setsid sh -c '$(lingers far)' & $(lingers main)" --lease 1h)
worker --worker w1
until_true '[ -e $spots/far ] && [ -e $spots/main ]'
kill -STOP $worker; kill -9 "$(cat "$spots/guard")" $worker; wait $worker 2>/dev/null
until_true '[ "$(taskstore task claim --worker w2 --quiet)" = "$id" ]'
gone "$(cat "$spots/far")" || bad "it outlived guard and worker"
expect 0 taskstore task complete "$id"
rm "$spots"/*

# A worker that is stopped, with its guard or without it, keeps its task till the lease runs out; then its command is
# gone before anybody else gets the task, and the worker is refused.
for stopped in worker guard; do
  id=$(add stopped "echo \$PPID >$spots/.guard; mv $spots/.guard $spots/guard; setsid env -i sh -c '$(lingers far)' & $(lingers main)" --lease 500ms)
  worker --worker w1 --once
  until_true '[ -e $spots/far ] && [ -e $spots/main ]'
  kill -STOP $worker
  [ $stopped = worker ] || kill -STOP "$(cat "$spots/guard")"
  taskstore task next --wait 1h --worker other --lease 1h --quiet >"$spots/next"; same "$(cat "$spots/next")" "$id"
  for name in far main; do gone "$(cat "$spots/$name")" || bad "$name runs on beside the next one's ($stopped stopped)"; done
  same "$(show "$id" 'd["history"][2]["reason"]')" "the lease of w1 ran out"
  kill -CONT "$(cat "$spots/guard")" $worker; wait $worker
  has "$(cat "$spots.out")" "lost"
  same "$(show "$id" 'd["assigned_to"], d["status"]')" "('other', 'in_progress')"
  expect 0 taskstore task complete "$id"
  rm "$spots"/*
done

# A time that is over.
id=$(add slow "$(lingers main)" --timeout 50ms --max-attempts 1)
expect 0 taskstore work --once
same "$(show "$id" 'd["status"], d["error_class"], d["exit_code"]')" "('failed', 'timeout', 143)"
rm -f "$spots"/*

# A cancellation ends the command at once.
id=$(add unwanted "$(lingers main)" --lease 1h)
worker --worker w1 --once
until_true '[ -e $spots/main ]'
expect 0 taskstore task cancel "$id"; wait $worker
same "$(show "$id" 'd["status"]')" cancelled
gone "$(cat "$spots/main")" || bad "a cancelled command runs on"
rm "$spots"/*

# TERM: what runs is finished, nothing else is begun; a second one gives it back.
first=$(add first "echo >$spots/first; until [ -e $spots/go ]; do sleep 0.02; done" --priority high)
second=$(add second true)
worker --worker w1
until_true '[ -e $spots/first ]'
kill -TERM $worker; : >"$spots/go"; wait $worker || bad "a worker that was drained failed"
same "$(show "$first" 'd["status"]') $(show "$second" 'd["status"]')" "completed pending"
expect 0 taskstore work --drain
rm "$spots"/*
id=$(add given-back "$(lingers main)")
worker --worker w1
until_true '[ -e $spots/main ]'
kill -TERM $worker; until_true 'kill -TERM $worker 2>/dev/null; gone $(cat $spots/main)'; wait $worker
same "$(show "$id" 'd["status"], d["retry_count"], [h["verb"] for h in d["history"]]')" "('pending', 0, ['create', 'claim', 'release'])"
expect 0 taskstore task rm "$id"
rm "$spots"/*

# A claim in the name of a process.
id=$(taskstore task add -q --title pid --lease 1h)
sleep 100000 & holder=$!
expect 3 taskstore task claim --pid 1073741822; has "$err" "cannot be seen"
expect 0 taskstore task claim --pid $holder --worker agent --json; same "$(json "$out" 'd[0]["id"]')" "$id"
"$TASKSTORE" task next --wait 1h --worker next --quiet >"$spots/next" & next=$!
kill -STOP $holder; kill -CONT $holder
kill -9 $holder; wait $holder 2>/dev/null
wait $next; same "$(cat "$spots/next")" "$id"
same "$(show "$id" 'd["history"][2]["reason"]')" "process $holder, which held it, died"
expect 0 taskstore task complete "$id"

# Four workers, one of which is killed in the middle: every task is completed once.
for i in $(seq 40); do echo "$i"; done | xargs -P 4 -I{} "$TASKSTORE" task add -q --project many --title 'job {}' --shell --command "echo >$spots/{}; sleep 0.02" >"$spots.made"
for w in 1 2 3 4; do "$TASKSTORE" work --project many --worker "m$w" --drain --json >"$spots.m$w" & pids[w]=$!; done
until_true '[ $(ls "$spots" | wc -l) -ge 15 ]'
kill -9 "${pids[2]}"; wait
expect 0 taskstore work --project many --drain --quiet
expect 0 taskstore task stats --project many --json; same "$(json "$out" 'd["by_status"]["completed"]')" 40
expect 0 taskstore sql --database tasks "SELECT count(*) AS n FROM task_history WHERE verb = 'complete' AND task_id IN (SELECT id FROM tasks WHERE project = 'many')" --json
same "$(json "$out" 'd["rows"][0][0] if isinstance(d, dict) else d[0]["n"]')" 40
for jobs in 0 -1 100000; do
  expect 2 taskstore work --jobs=$jobs --json; same "$out" ""; has "$err" "jobs $jobs is not in 1..256"
done
expect 2 taskstore work --timeout soon
same "$(ls "$TASKSTORE_HOME/run")" ""
finish
