#!/usr/bin/env bash
# Schedules as people and workers use them.
. "$(dirname "$0")/begin_tasks.sh"
mkdir proj && cd proj && git init -q .

expect 2 taskstore schedule add --title t; has "$err" "--cron"
expect 2 taskstore schedule add --title t --cron '* * * *'; has "$err" "five fields"
expect 2 taskstore schedule add --title t --cron @daily --every 5m; has "$err" "choose one"
expect 2 taskstore schedule add --title t --cron @daily --tz Europe/Berlim; has "$err" "no time zone 'Europe/Berlim'"
expect 2 taskstore schedule add --title t --cron '0 0 30 2 *'; has "$err" "never comes"
expect 2 taskstore schedule add --title t --every 10ms; has "$err" "every 1 s"
expect 2 taskstore schedule add --title t --every 5m --tz Europe/Berlin; has "$err" "time zone"
expect 2 taskstore schedule add --every 5m; has "$err" "title"
expect 2 taskstore schedule add --title t --every 5m --depends-on x; has "$err" "depends-on"

expect 0 taskstore schedule add --title Backup --cron '30 2 * * mon-fri' --tz Europe/Berlin --deadline 2h --shell --command 'date > out' --json
backup=$(json "$out" 'd["id"]')
same "$(json "$out" 'd["project"], d["tz"], d["catch_up"], d["task"]["deadline_ms"], d["task"]["shell"]')" "('proj', 'Europe/Berlin', 'one', 7200000, True)"
expect 0 taskstore schedule next "$backup" --count 3 --json; same "$(json "$out" 'len(d), d[0]["at"] < d[1]["at"] < d[2]["at"]')" "(3, True)"
expect 0 taskstore schedule set "$backup" --priority high --cron '30 3 * * *' --catch-up all --json
same "$(json "$out" 'd["cron"], d["tz"], d["catch_up"], d["task"]["priority"], d["task"]["command"], d["task"]["deadline_ms"]')" "('30 3 * * *', 'Europe/Berlin', 'all', 10, 'date > out', 7200000)"
expect 4 taskstore schedule set "$backup" --pause --if-revision 1
expect 0 taskstore schedule set "$backup" --pause; has "$out" paused
expect 0 taskstore schedule next "$backup"; has "$out" "no ticks"
expect 0 taskstore schedule show "$backup" --history --json; same "$(json "$out" '[h["verb"] for h in d["history"]]')" "['add', 'set', 'pause']"
expect 0 taskstore schedule show "$backup" --history; has "$out" "2026"

# A worker that waits is awake at the tick, and runs what it makes; nobody else makes it again.
expect 0 taskstore schedule add --title Poll --every 1s --shell --command 'echo "$TASKSTORE_TASK_ID" >> ticks' --quiet; poll=$out
expect 0 taskstore work --once --jobs 2; [ "$(wc -l < ticks)" = 1 ] || bad "a tick was not one task"
expect 0 taskstore task next --wait 30s --worker w --json; same "$(json "$out" 'd[0]["title"], d[0]["idempotency_key"][:46] == sys.argv[3]' "schedule:$poll:")" "('Poll', True)"
expect 0 taskstore schedule set "$poll" --pause
expect 0 taskstore schedule show "$poll" --history --json
same "$(json "$out" 'len([h for h in d["history"] if h["verb"] == "tick"]) == len({h["tick"] for h in d["history"] if h["tick"]})')" True
expect 0 taskstore schedule run --once; same "$out" ""
expect 0 taskstore schedule list --quiet; same "$out" "$backup
$poll"
expect 0 taskstore schedule rm "$poll"; expect 3 taskstore schedule show "$poll"; has "$err" "schedule list"
expect 0 taskstore schedule list --quiet; same "$out" "$backup"

# Without anybody who claims: it waits, and makes one task per tick.
expect 0 taskstore schedule add --title Alone --every 1s --quiet; alone=$out
: > made
"$TASKSTORE" schedule run > made & runner=$!
expect 0 timeout 60 bash -c 'tail -f made | grep -m 2 "made 1 task"'; same "$out" "made 1 task
made 1 task"
kill "$runner"; wait "$runner" 2>/dev/null
expect 0 taskstore task list --project proj --text Alone --quiet; [ "$(wc -l <<< "$out")" -ge 2 ] || bad "a tick made no task"
expect 0 taskstore schedule rm "$alone"

# One that somebody damaged is told, and keeps neither the others nor claims from going on.
expect 0 taskstore schedule add --title Damaged --every 1h --quiet; damaged=$out
python3 -c 'import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as c: c.execute("UPDATE task_schedules SET template = ?, next_at = 1 WHERE id = ?", ("{", sys.argv[2]))' \
  "$TASKSTORE_HOME/tasks.db" "$damaged"
expect 0 taskstore task claim --worker w --project none
expect 0 taskstore schedule run --once
expect 0 taskstore schedule list; has "$out" "cannot be read"; has "$out" Backup; has "$err" "$damaged"
expect 0 taskstore schedule show "$damaged" --history --json; same "$(json "$out" 'd["paused"], d["history"][-1]["verb"], "template" in d["fault"]')" "(True, 'pause', True)"
expect 0 taskstore doctor; has "$out" "schedule  $damaged"
expect 6 taskstore schedule set "$damaged" --resume; has "$err" "schedule rm"
expect 0 taskstore schedule rm "$damaged"; expect 0 taskstore doctor; lacks "$out" "$damaged"

# Backups and moves have them.
expect 0 taskstore backup --database tasks "$scratch/b.zst"
expect 0 taskstore schedule rm "$backup"
expect 0 taskstore restore --replace "$scratch/b.zst"
expect 0 taskstore schedule list --quiet; same "$out" "$backup"
expect 0 taskstore schedule add --title Moving --every 1s --quiet; moving=$out
: > made
"$TASKSTORE" schedule run >> made 2> notes & runner=$!
expect 0 timeout 60 bash -c 'tail -f made | grep -m 1 made'
expect 0 taskstore move --to "sqlite:$scratch/other.db"
: > made
expect 0 timeout 60 bash -c 'tail -f made | grep -m 1 made'
kill "$runner"; wait "$runner" 2>/dev/null
expect 0 taskstore schedule rm "$moving"
expect 0 taskstore schedule show "$backup" --history --json; same "$(json "$out" 'd["paused"], len(d["history"])')" "(True, 3)"
finish
