#!/usr/bin/env bash
# Tasks that ended long ago go into the archive: what people see of them, backups and moves of it, and kill -9 half-way.
. "$(dirname "$0")/begin_tasks.sh"
tasks="$scratch/home/tasks.db" archive="$scratch/home/archive.db"

expect 0 taskstore task add --title 'Build the index' --command make --json; first=$(json "$out" 'd["id"]')
expect 0 taskstore task claim --worker w1
expect 0 taskstore task complete "$first" --result '{"n":1}'
expect 0 taskstore task add --title 'Not wanted' --json; second=$(json "$out" 'd["id"]')
expect 0 taskstore task cancel "$second"
expect 0 taskstore task add --title 'Open' --json; open=$(json "$out" 'd["id"]')

# Nothing goes by itself, and nothing is made by looking.
expect 2 taskstore task archive; has "$err" "tasks.archive_after_days"
expect 0 taskstore task list --archived --json; same "$(json "$out" d)" "[]"
expect 3 taskstore task show nobody
expect 0 taskstore task archive --older-than 0s --dry-run; same "$out" "would archive 2 tasks"
expect 0 taskstore task archive --older-than 1d; same "$out" "archived 0 tasks"
expect 0 taskstore task archive --older-than 1d --drop; same "$out" "dropped 0 tasks"
expect 0 taskstore task stats --json; same "$(json "$out" 'd["archived"]')" 0
expect 0 taskstore migrate --apply; has "$out" "not made yet"
[ ! -e "$archive" ] || bad "an archive was made for nothing"
expect 0 taskstore backup "$scratch/alone.zst"

expect 0 taskstore task archive --older-than 0s --json; same "$(json "$out" 'd["archived"], d["held_back"], d["dry_run"]')" "(2, 0, False)"
has "$out" '"level":"flushed"'
expect 0 taskstore task list --json; same "$(json "$out" '[t["title"] for t in d]')" "['Open']"
expect 0 taskstore task list --archived --json; same "$(json "$out" '[t["title"] for t in d]')" "['Not wanted', 'Build the index']"
expect 0 taskstore task list --archived --status completed --quiet; same "$out" "$first"
expect 0 taskstore task show "${first:0:35}" --history; has "$out" "archived"; has "$out" "complete"
expect 0 taskstore task show "$first" --history --json
same "$(json "$out" 'd["archived_at"] > 0, d["result"]["n"], [h["verb"] for h in d["history"]]')" "(True, 1, ['create', 'claim', 'complete'])"
expect 0 taskstore task why "$first"; has "$out" "archived since"
expect 0 taskstore task stats; has "$out" "archived: 2"
expect 0 taskstore task wait "$first" --timeout 10s
for verb in retry complete cancel; do expect 4 taskstore task $verb "$first"; has "$err" "is archived: it was completed"; done
expect 4 taskstore task set "$first" --title x; has "$err" "task show $first"
expect 0 taskstore task add --title 'After' --depends-on "$first" --json; same "$(json "$out" 'd["open_dependencies"]')" 0
expect 4 taskstore task add --title 'Never' --depends-on "$second"; has "$err" "never complete"

# The archive is a database as the others are.
expect 0 taskstore sql --database archive 'SELECT count(*) AS n FROM archived_tasks'; has "$out" 2
expect 0 taskstore migrate --status; has "$out" "archive.db"
mkdir backup; expect 0 taskstore backup backup --json; same "$(json "$out" '[b["database"] for b in d]')" "['tasks', 'archive']"
expect 0 taskstore move --database archive --to "sqlite:$scratch/moved/archive.db"
expect 0 taskstore task show "$first" --json; same "$(json "$out" 'd["result"]["n"]')" 1
expect 0 taskstore task cancel "$open"; expect 0 taskstore task add --title 'Last'
expect 0 taskstore task archive --older-than 0s; same "$out" "archived 1 task"
expect 0 taskstore task list --archived --quiet --limit 1; same "$out" "$open"
expect 0 taskstore task rm "$open"; expect 3 taskstore task show "$open"
# Away, it keeps nobody from what is not there.
expect 0 taskstore task add --title 'Goes without it' --json; here=$(json "$out" 'd["id"]')
mv "$scratch/moved" "$scratch/unmounted"
expect 0 taskstore task stats --json; same "$(json "$out" 'd["archived"], d["by_status"]["pending"] > 0')" "(None, True)"
has "$err" "what is archived is not counted"
expect 0 taskstore task show "${here:0:35}"
expect 5 taskstore task show "$first"; has "$err" "the archive cannot be asked"; has "$err" "does not hold it now"
expect 5 taskstore task rm "$first"
expect 0 taskstore task cancel "$here"; expect 0 taskstore task add --title 'Moved last'
expect 5 taskstore task archive --older-than 0s; expect 5 taskstore task archive --older-than 0s --drop; [ ! -e "$scratch/moved" ] || bad "an archive was made where one is away"
expect 0 taskstore task rm "$here"; has "$err" "a copy there is not found any more"
mv "$scratch/unmounted" "$scratch/moved"
expect 0 taskstore task show "$first"; expect 3 taskstore task show "$here"
# A backup of before brings its tasks back; what the archive has stays there, and they are one.
expect 0 taskstore task add --title 'Last of all'
expect 0 taskstore restore --replace backup/tasks-*.zst
expect 0 taskstore task show "$open" --json; same "$(json "$out" 'd["status"], d["archived_at"]')" "('pending', None)"
expect 0 taskstore restore --replace backup/archive-*.zst
expect 0 taskstore task list --archived --quiet; same "$(wc -l <<<"$out")" 2

# What the settings say, by a worker, which makes no archive where they place it elsewhere.
expect 0 taskstore task cancel "$open"
printf '[tasks]\narchive_after_days = 1\n' >> "$scratch/home/config.toml"
python3 - "$tasks" "$open" <<'PY' || bad "no task was made old"
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as db:
    db.execute("UPDATE tasks SET created_at = 1, completed_at = 1 WHERE id = ?", (sys.argv[2],))
PY
expect 0 taskstore task add --title 'By a worker' --command true
mkdir "$scratch/disk"
expect 0 env TASKSTORE_CONFIG_DATABASES__ARCHIVE="sqlite:$scratch/disk/archive.db" "$TASKSTORE" work --drain
has "$err" "old tasks stay: there is no archive at"; [ -z "$(ls "$scratch/disk")" ] || bad "a worker made an archive"
expect 0 taskstore work --drain
expect 0 taskstore task show "$open" --json; same "$(json "$out" 'd["archived_at"] is not None')" True
expect 0 taskstore task archive --drop --older-than 0s; has "$out" "dropped"

# Tasks that others share do not go into a file of this device unless somebody says so.
shared=$(mktemp -d "$scratch/shared.XXXXXX")
printf '[databases]\ntasks = "postgres://127.0.0.1:1/d"\n' > "$shared/config.toml"
expect 2 env TASKSTORE_HOME="$shared" "$TASKSTORE" task archive --older-than 30d
has "$err" "databases.archive"

# kill -9 half-way, again and again: every task is in one of the two, with all of its history, and in the end in the archive.
export TASKSTORE_HOME="$scratch/killed"
tasks="$scratch/killed/tasks.db" archive="$scratch/killed/archive.db"
expect 0 taskstore task add --title 'One of many' --json; one=$(json "$out" 'd["id"]')
expect 0 taskstore task claim --worker w; expect 0 taskstore task complete "$one"; expect 0 taskstore task add --title Last
python3 - "$tasks" "$one" <<'PY' || bad "no tasks were made"
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as db:
    db.row_factory = sqlite3.Row
    task = dict(db.execute("SELECT * FROM tasks WHERE id = ?", (sys.argv[2],)).fetchone())
    moves = [dict(r) for r in db.execute("SELECT * FROM task_history WHERE task_id = ?", (sys.argv[2],))]
    seq = db.execute("SELECT max(seq) FROM task_history").fetchone()[0] - 20000
    def put(table, row):
        db.execute("INSERT INTO %s (%s) VALUES (%s)" % (table, ", ".join(row), ", ".join("?" * len(row))), list(row.values()))
    for n in range(3000):
        id = "%s-%04d" % (sys.argv[2][:23], n)
        put("tasks", {**task, "id": id})
        for move in moves:
            seq += 1
            put("task_history", {**move, "task_id": id, "seq": seq})
PY
whole() { python3 - "$tasks" "$archive" <<'PY'
import os, sqlite3, sys
def rows(path, table, history):
    if not os.path.exists(path): return {}
    with sqlite3.connect(path, timeout=30) as db:
        try: return {id: n for id, n in db.execute("SELECT id, (SELECT count(*) FROM %s h WHERE h.task_id = t.id) FROM %s t" % (history, table))}
        except sqlite3.OperationalError as error:
            if "no such table" in str(error): return {}
            raise
here, there = rows(sys.argv[1], "tasks", "task_history"), rows(sys.argv[2], "archived_tasks", "archived_task_history")
lost = 3002 - len(set(here) | set(there))
partly = [id for id, n in list(here.items()) + list(there.items()) if n not in (1, 3)]
if lost or partly: sys.exit("%d are lost, %s are half there" % (lost, partly[:3]))
print(len(here))
PY
}
seed=${SEED:-$RANDOM}
RANDOM=$seed
echo "seed $seed"
kills=0 stops=""
for ((round = 0; round < 60; ++round)); do
  taskstore task archive --older-than 0s --quiet >"$scratch/out" 2>&1 &
  pid=$!
  read -rt "0.0$((RANDOM % 70 + 20))" <> <(:) || true
  kill -KILL "$pid" 2>/dev/null && kills=$((kills + 1))
  wait "$pid" 2>/dev/null
  left=$(whole) || bad "after $kills kills: $left"
  stops+=" $left"
  [ "$left" = 1 ] && break
done
echo "$kills kills; tasks that were left:$stops"
expect 0 taskstore task archive --older-than 0s
same "$(whole)" 1
expect 0 taskstore task list --archived --limit 1 --quiet; [ -n "$out" ] || bad "nothing is archived"
finish
