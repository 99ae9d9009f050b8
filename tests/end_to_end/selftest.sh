#!/usr/bin/env bash
# The trial of ownership as people run it: what it says, and what it leaves.
. "$(dirname "$0")/begin_tasks.sh"
leaves_nothing() { same "$(find "$TASKSTORE_HOME" -name 'taskstore_selftest_*')" ""; }

expect 2 taskstore selftest; has "$err" "--ownership"
expect 2 taskstore selftest --ownership --processes 0
expect 0 taskstore selftest --ownership --operations 800 --processes 4 --seed 7 --json
same "$(json "$out" 'd["seed"], d["processes"], d["violations"], d["operations"] >= 800, 0 < d["completed"] <= d["claimed"]')" \
  "(7, 4, 0, True, True)"
leaves_nothing
expect 0 taskstore selftest --ownership --operations 200 --processes 2; has "$out" "no task was held twice"
expect 0 taskstore task list --json; same "$(json "$out" d)" "[]"

# Whoever has seen enough ends it: it takes its processes and its tasks with it.
for signal in INT TERM; do
  "$TASKSTORE" selftest --ownership --operations 100000000 --processes 4 2>"$scratch/told" &
  trial=$!
  until_true '[ -n "$(find "$TASKSTORE_HOME" -name p3.jsonl -size +0)" ]'
  children=$(pgrep -P "$trial" | wc -l)
  [ "$children" -gt 0 ] || bad "nobody works"
  kill -s "$signal" "$trial"
  wait "$trial" && bad "who was stopped says that all is well"
  has "$(cat "$scratch/told")" "stopped after"
  leaves_nothing
done
finish
