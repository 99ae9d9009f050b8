#!/usr/bin/env bash
# Workers and waiters whose database moves under them, by their device and by another one. Nothing here goes by time: whatever is waited for is a
# file or a task.
. "$(dirname "$0")/begin_tasks.sh"
export HOME=$scratch/home TASKSTORE_HOME=$scratch/device
mkdir -p "$HOME" "$TASKSTORE_HOME" "$scratch/spots"
spots=$scratch/spots new=$scratch/disk/new.db
status() { show "$1" 'd["status"]'; }

# --- what runs while the database moves ends in the new place, by the claim that it had
first=$(add first ": > $spots/begun; until [ -e $spots/go-on ]; do sleep 0.02; done; echo '[7]' > \$TASKSTORE_TASK_RESULT" --lease 1h)
waited=$(taskstore task add --quiet --title "waited for")
"$TASKSTORE" work --jobs 2 --worker w1 > "$scratch/work.out" 2> "$scratch/work.err" & worker=$!
"$TASKSTORE" task wait "$waited" --json > "$scratch/wait.out" 2> "$scratch/wait.err" & waiter=$!
until_true '[ -e $spots/begun ]'
expect 0 taskstore move --to "sqlite:$new"
: > "$spots/go-on"
until_true '[ "$(status $first)" = completed ]'
same "$(show "$first" 'd["result"], d["assigned_to"], d["attempts"], [h["verb"] for h in d["history"]]')" "([7], 'w1', 0, ['create', 'claim', 'complete'])"
expect 0 taskstore task cancel "$waited"
wait "$waiter"; same "$?" 0; has "$(cat "$scratch/wait.out")" '"status":"cancelled"'

# --- and goes on there: a worker that is killed there is seen by who watches there
second=$(add second ": > $spots/second; while :; do sleep 1000; done" --lease 1h)
until_true '[ -e $spots/second ]'
"$TASKSTORE" task next --wait 1h --worker next --quiet > "$scratch/next.out" 2> "$scratch/next.err" & next=$!
kill -9 "$worker"; wait "$worker" 2> /dev/null
wait "$next"; same "$?" 0; same "$(cat "$scratch/next.out")" "$second"
expect 0 taskstore task complete "$second"

# --- back again: who waits for work gets it in the old place
"$TASKSTORE" task next --wait 1h --worker back --quiet > "$scratch/next.out" 2> "$scratch/next.err" & next=$!
until_true '[ "$(cut -d" " -f3 < /proc/$next/stat)" = S ]'
expect 0 taskstore move --undo
third=$(taskstore task add --quiet --title third)
wait "$next"; same "$?" 0; same "$(cat "$scratch/next.out")" "$third"

# --- another device moves it: this one is told where it is, and goes on when its config says so
fourth=$(taskstore task add --quiet --title fourth)
"$TASKSTORE" work --worker w2 > "$scratch/work.out" 2> "$scratch/work.err" & worker=$!
other() { env TASKSTORE_HOME="$scratch/other" "$TASKSTORE" "$@"; }
mkdir "$scratch/other"; echo "databases.tasks = \"sqlite:$TASKSTORE_HOME/tasks.db\"" > "$scratch/other/config.toml"
expect 0 other move --to "sqlite:$scratch/disk/third.db"
expect 5 taskstore task wait "$fourth" --timeout 1s; has "$err" "has moved to sqlite:$scratch/disk/third.db"
expect 5 taskstore task next --wait 1s; has "$err" "has moved to sqlite:$scratch/disk/third.db"
until_true 'grep -q "has moved to" "$scratch/work.err"'
last=$(other task add --quiet --title last --command true)
echo "databases.tasks = \"sqlite:$scratch/disk/third.db\"" > "$TASKSTORE_HOME/config.toml"
expect 0 taskstore task wait "$last"
kill -TERM "$worker"; wait "$worker"; same "$?" 0
same "$(show "$last" 'd["status"], d["assigned_to"]')" "('completed', 'w2')"
finish
