#!/usr/bin/env bash
# A spec becomes a task, its runs are executions of the plan, and executions wait for each other.
. "$(dirname "$0")/begin_tasks.sh"
record() { json "$(taskstore "$1" show "$2" --json)" "$3"; }
mkdir proj && cd proj && git init -q -b trunk . && git config user.name ann && git config user.email ann@localhost
expect 0 taskstore init
expect 0 taskstore prd add --id p1 --title Search
expect 0 taskstore spec add --id s1 --prd-id p1 --phase-name 'Build the index' --description 'all files'

# One open task, however often it is asked for.
expect 0 taskstore spec enqueue s1 --command 'git rev-parse --show-toplevel' --priority high --json
task=$(json "$out" 'd["id"]')
same "$(json "$out" 'd["title"], d["description"], d["spec_id"], d["input"]["id"]')" "('Build the index', 'all files', 's1', 's1')"
expect 0 taskstore spec enqueue s1 -q; same "$out" "$task"
expect 0 taskstore spec enqueue s1; has "$out" "there is task $task"
for _ in 1 2 3 4 5 6 7 8; do taskstore spec enqueue s1 -q >>"$scratch/ids" & done; wait
same "$(sort -u "$scratch/ids")" "$task"
expect 3 taskstore spec enqueue nowhere

# Workers show their runs, in the work tree where they work.
expect 0 taskstore work --drain --worker w1
same "$(record spec s1 'd["status"], d["assigned_to"]')" "('complete', 'w1')"
expect 0 taskstore execution list --json
same "$(json "$out" 'len(d)')" 1
same "$(json "$out" 'd[0]["ts_id"], d[0]["status"], d[0]["branch_name"], d[0]["iteration_count"], d[0]["worktree_path"]')" "('s1', 'complete', 'trunk', 1, '$PWD')"
expect 4 taskstore spec enqueue s1; has "$err" "is complete"

# What fails is told; the next try is the next iteration.
expect 0 taskstore spec set s1 --status pending
expect 0 taskstore spec enqueue s1 --command 'sh -c "exit 3"' --max-attempts 1 -q
[ "$out" != "$task" ] || bad "an ended task is no open one"
expect 0 taskstore work --drain --worker w2
same "$(record spec s1 'd["status"]')" failed
expect 0 taskstore execution list --status failed --json
same "$(json "$out" 'd[0]["iteration_count"], d[0]["error_message"]')" "(2, 'exit code 3')"

# A worker that is killed: the next one settles what it left. Without a plan here nothing is shown, and nothing fails.
expect 0 taskstore spec enqueue s1 --shell --command "touch $scratch/began; sleep 1000" -q
third=$out
"$TASKSTORE" work --drain --worker w3 >/dev/null 2>&1 & worker=$!
until [ -e "$scratch/began" ]; do command sleep 0.02; done
same "$(record spec s1 'd["status"], d["assigned_to"]')" "('running', 'w3')"
kill -9 "$worker"; wait "$worker" 2>/dev/null
until_true '[[ "$(taskstore task why "$third")" == "nobody works on it any more: w3, who holds it, is dead"* ]]'
same "$(json "$(taskstore task show "$third" --json)" 'd["status"]')" in_progress
expect 0 taskstore spec enqueue s1 -q; same "$out" "$third"
same "$(record spec s1 'd["status"], d["assigned_to"]')" "('pending', None)"
expect 0 taskstore task cancel "$third" -q
expect 0 taskstore execution list --status stopped --json
same "$(json "$out" 'd[0]["error_message"]')" "its worker is gone"
(cd "$scratch" && mkdir elsewhere && cd elsewhere && expect 0 taskstore task add --title x --command true -q &&
  expect 0 taskstore work --drain && lacks "$err" plan)

# Who asks waits for the answer, and is woken by it.
expect 0 taskstore execution add --id e1 --ts-id s1
expect 0 taskstore execution add --id e2 --ts-id s1
expect 0 taskstore dependency add --id d1 --from-exec-id e1 --to-exec-id e2 --dependency-type query
expect 5 taskstore dependency wait --for e1 --timeout 10ms; has "$err" "not resolved"
expect 0 taskstore dependency wait --for e2; has "$out" "it waits for nothing"
taskstore dependency wait --for e1 --json >"$scratch/waited" & waits=$!
expect 0 taskstore dependency resolve d1 --payload 'use the trigram index'
wait "$waits" || bad "the wait failed"
same "$(json "$(cat "$scratch/waited")" 'd[0]["id"], d[0]["payload"], d[0]["resolved_at"] > 0')" "('d1', 'use the trigram index', True)"
first=$(record dependency d1 'd["resolved_at"]')
expect 0 taskstore dependency resolve d1
same "$(record dependency d1 'd["resolved_at"]')" "$first"
expect 0 taskstore dependency add --id d2 --from-exec-id e1 --to-exec-id e2 --dependency-type notify
expect 0 taskstore dependency wait --for e1
expect 5 taskstore dependency wait --for e2 --timeout 10ms
expect 2 taskstore dependency wait
finish
