#!/usr/bin/env bash
# Tasks of the systems before this one come along: import --from lib-task-store, import --from adt.
. "$(dirname "$0")/begin_tasks.sh"
export TZ=UTC
sums() { find "$@" -type f -exec sha256sum {} + | sort; find "$@" | sort; }

python3 - <<'PY'
import json, os, sqlite3
c = sqlite3.connect("tasks.db")
c.execute("PRAGMA journal_mode=WAL")
c.execute("CREATE TABLE tasks (id TEXT PRIMARY KEY, title TEXT NOT NULL, description TEXT, status TEXT NOT NULL, command TEXT, "
          "input TEXT NOT NULL, output TEXT, logs TEXT, exit_code INTEGER, created_at TEXT NOT NULL, updated_at TEXT NOT NULL)")
for i, status in enumerate(["pending", "running", "completed", "failed", "someday"]):
    c.execute("INSERT INTO tasks VALUES (?,?,NULL,?,'make','{\"a\":1}',?,NULL,NULL,?,?)",
              (f"0000000{i}-1111-4222-8333-444444444444", f"Task {i}", status, '{"ok":true}' if i == 2 else None,
               f"2026-01-06T12:00:0{i}.123456789+00:00", f"2026-01-06T13:00:0{i}+00:00"))
c.commit()
for folder in ["queue", "agents", "logs/agents", "data"]:
    os.makedirs("adt/" + folder)
task = lambda id, **more: dict(dict(id=id, project="web", description=f"Do {id}\nand more", priority="high", status="pending",
    created_at="2026-02-03T10:00:00.123456", started_at=None, completed_at=None, assigned_to=None, result=None, error=None,
    retry_count=0, max_retries=3, metadata={}), **more)
json.dump([task("aaaa1111"), task("bbbb2222", status="assigned", assigned_to="web"),
           task("cccc3333", status="completed", result="fine", completed_at="2026-02-03T11:00:00"),
           task("dddd4444", status="blocked", error="which key?")], open("adt/queue/tasks.json", "w"), indent=2)
open("adt/config.yml", "w").write("server:\n  port: 8420\n")
json.dump(dict(project="web", current_task="bbbb2222"), open("adt/agents/web.state.json", "w"))
open("adt/logs/agents/web.log", "w").write("hello\n")
d = sqlite3.connect("adt/data/tasks.db")
d.execute("CREATE TABLE tasks (id TEXT PRIMARY KEY, project TEXT NOT NULL, description TEXT NOT NULL, priority TEXT DEFAULT 'normal', "
          "status TEXT DEFAULT 'pending', created_at TIMESTAMP DEFAULT '2026-02-04 09:00:00', depends_on TEXT)")
for id, status, on in [("a1", "pending", None), ("a2", "blocked", '["a1"]'), ("x", "blocked", '["y"]'), ("y", "blocked", '["x"]')]:
    d.execute("INSERT INTO tasks (id, project, description, status, depends_on) VALUES (?,'api',?,?,?)", (id, "Job " + id, status, on))
d.commit()
os._exit(0)  # the write-ahead log stays
PY
[ -s tasks.db-wal ] || bad "the fixture has no write-ahead log"
before=$(sums tasks.db* adt)

# A file that is missing is told so, and a database that nobody named is not guessed at.
expect 3 taskstore import --from lib-task-store none.db; has "$err" "check the path"; has "$err" "--from lib-task-store PATH"
expect 3 taskstore import --from adt none; has "$err" "--from adt PATH"
git init -q guess && expect 2 taskstore -C guess import ../tasks.db; has "$err" "--from lib-task-store"; rm -rf guess

# lib-task-store: looked at, taken in, and again.
expect 0 taskstore import --from lib-task-store tasks.db --dry-run; has "$out" "would import tasks.db (lib-task-store): 4 tasks"
[ ! -e home ] || bad "a dry run made a database"
expect 1 taskstore import --from lib-task-store tasks.db --strict; has "$err" "someday"; has "$err" "not all of it had a place"
expect 0 taskstore task list --all-projects --quiet; same "$out" ""
expect 0 taskstore import --from lib-task-store tasks.db; has "$out" "imported tasks.db (lib-task-store): 4 tasks"
has "$err" "task '00000004-1111-4222-8333-444444444444': its status 'someday' is not known"
has "$err" "1 task was in progress there, and is pending here"
expect 0 taskstore import --from lib-task-store tasks.db --json
same "$(json "$out" 'd["collections"]["tasks"]["created"], d["collections"]["tasks"]["unchanged"], d["damaged_count"]')" "(0, 4, 1)"
expect 0 taskstore task show 00000002 --history --json
same "$(json "$out" 'd["status"], d["result"], [h["verb"] for h in d["history"]]')" "('completed', {'ok': True}, ['create', 'claim', 'complete'])"
expect 0 taskstore task claim --worker w --limit 5 --json; same "$(json "$out" 'sorted(t["title"] for t in d)')" "['Task 0', 'Task 1']"

# ADT: the queue and the database, and what has no place.
expect 0 taskstore import --from adt adt; has "$out" "imported adt (adt): 6 tasks"
for told in "it would wait for ever: x → y → x" "events" "which stays in agents/web.state.json" "settings (server)" "logs of agents" \
            "1 task waited there for a person"; do
  [ "$told" = events ] || has "$err" "$told"
done
list=$(taskstore task list --all-projects --json)
expect 0 taskstore task list --project web --json
same "$(json "$out" 'sorted((t["title"], t["status"], t["priority"]) for t in d)')" \
  "[('Do aaaa1111', 'pending', 10), ('Do bbbb2222', 'pending', 10), ('Do cccc3333', 'completed', 10), ('Do dddd4444', 'cancelled', 10)]"
expect 0 taskstore task blocked --project api --json; same "$(json "$out" '[t["title"] for t in d]')" "['Job a2']"
# The same source in another place, zone and way of naming it.
cp -r adt "$scratch/elsewhere"
expect 0 env ADT_HOME="$scratch/elsewhere" TZ=Asia/Tokyo "$TASKSTORE" import --from adt; has "$out" "nothing new in"
same "$(taskstore task list --all-projects --json)" "$list"
same "$(sums tasks.db* adt)" "$before"

# What was removed here stays removed; what changed there is told.
one=$(taskstore task list --project web --quiet --status completed)
expect 0 taskstore task rm "$one"
sed -i 's/which key?/still no key/' adt/queue/tasks.json
expect 0 taskstore import --from adt adt; has "$err" "1 task was removed here, and stays so"; has "$err" "1 task has changed there"
# Archived ones, too.
one=$(taskstore task list --project web --quiet --status cancelled)
expect 0 taskstore task add --title "the last that moved"
expect 0 taskstore task archive --older-than 0s; expect 0 taskstore task rm "$one"
expect 0 taskstore import --from adt adt; has "$out" "nothing new in"; has "$err" "2 tasks were removed here, and stay so"

# A journal that a writer left behind is rolled back in the copy, not in the source.
python3 - <<'PY'
import os, sqlite3
c = sqlite3.connect("hot.db", isolation_level=None)
c.execute("CREATE TABLE tasks (id TEXT PRIMARY KEY, title TEXT, status TEXT, created_at TEXT)")
c.executemany("INSERT INTO tasks VALUES (?, ?, 'pending', '2026-01-01 00:00:00')", [(f"h{i}", f"Hot {i} " + "x" * 500) for i in range(400)])
c.execute("PRAGMA cache_size=1")
c.execute("BEGIN")
c.execute("UPDATE tasks SET title = 'half ' || title")
c.execute("SELECT count(*) FROM tasks").fetchall()
os._exit(0)
PY
[ -s hot.db-journal ] || bad "the fixture has no journal"
before=$(sums hot.db*)
expect 0 taskstore import --from lib-task-store hot.db --project hot; has "$out" "400 tasks"
same "$(sums hot.db*)" "$before"
expect 0 taskstore task list --project hot --limit 1000 --json; lacks "$out" "half Hot"

# An index that hides rows, and a table whose module is not here, are no hindrance.
python3 - <<'PY'
import sqlite3
c = sqlite3.connect("odd.db")
c.execute("CREATE TABLE tasks (id TEXT PRIMARY KEY, title TEXT, status TEXT)")
c.execute("CREATE TABLE other (x TEXT PRIMARY KEY)")
c.executemany("INSERT INTO tasks VALUES (?, 'Odd', 'pending')", [("o1",), ("o2",)])
c.execute("PRAGMA writable_schema=1")
c.execute("UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'other') "
          "WHERE type = 'index' AND tbl_name = 'tasks'")
c.execute("INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql) VALUES ('table', 'v', 'v', 0, 'CREATE VIRTUAL TABLE v USING vec0(x)')")
c.commit()
PY
expect 0 taskstore import --from lib-task-store odd.db --dry-run; has "$out" "would import odd.db (lib-task-store): 2 tasks"

# What cannot be read of a task that comes along is told, and so is how to see what has no project.
python3 - <<'PY'
import sqlite3
c = sqlite3.connect("bent.db")
c.execute("CREATE TABLE tasks (id TEXT PRIMARY KEY, title TEXT, status TEXT, input TEXT, created_at TEXT)")
c.execute("INSERT INTO tasks VALUES ('bent', 'Bent', 'pending', '{', 'yesterday')")
c.commit()
PY
expect 0 taskstore import --from lib-task-store bent.db; has "$err" "input of 1 task cannot be read (bent.db, task 'bent')"
has "$err" "created_at of 1 task cannot be read"; has "$err" "1 task is of no project: --all-projects"

# What is broken, or something else, says what and where; nothing is taken in.
expect 3 taskstore import --from lib-task-store nothing.db; has "$err" "nothing.db"
expect 2 taskstore import --from lib-task-store adt/config.yml; has "$err" "no SQLite database"
expect 2 taskstore import --from lib-task-store home/tasks.db; has "$err" "taskstore itself"
ln -s tasks.db link.db; expect 2 taskstore import --from lib-task-store link.db; has "$err" "symbolic link"
head -c 4096 tasks.db > cut.db; head -c 3000 /dev/urandom | tee -a cut.db > /dev/null
expect 2 taskstore import --from lib-task-store cut.db; has "$err" "cut.db"; lacks "$err" "copy-"
python3 - <<'PY'
import sqlite3
c = sqlite3.connect("torn.db")
c.execute("CREATE TABLE tasks (id TEXT, title TEXT, status TEXT)")
c.executemany("INSERT INTO tasks VALUES (?, ?, 'pending')", [(f"t{i}", "x" * 900) for i in range(40)])
c.commit()
c.close()
with open("torn.db", "r+b") as f:
    f.seek(5 * 4096)
    f.write(b"\xff" * 4096)
PY
expect 6 taskstore import --from lib-task-store torn.db; has "$err" "torn.db"; lacks "$err" "copy-"
expect 2 taskstore import --from lib-task-store
expect 2 taskstore import --from adt home; has "$err" "no home of ADT"
expect 2 taskstore import --from adt adt --to prds; expect 2 taskstore import x.md --project p; expect 2 taskstore import
expect 2 taskstore import --from lib-task-stor tasks.db; has "$err" "lib-task-store"
printf '[{"id":' > elsewhere/queue/tasks.json
expect 6 taskstore import --from adt elsewhere; has "$err" "queue/tasks.json is no JSON"

# Killed in between, the same command does the rest.
python3 - <<'PY'
import json, os
os.makedirs("many/queue")
json.dump([dict(id=f"{i:08x}", project="many", description=f"Task {i}", status="pending", created_at="2026-02-03T10:00:00")
           for i in range(3000)], open("many/queue/tasks.json", "w"))
PY
taskstore import --from adt many >/dev/null 2>&1 & child=$!
until [ "$(taskstore task list --project many --limit 1 --quiet | wc -l)" = 1 ] || ! kill -0 $child 2>/dev/null; do :; done
kill -KILL $child 2>/dev/null; wait $child 2>/dev/null
expect 0 taskstore import --from adt many
expect 0 taskstore task stats --project many --json; has "$out" '"pending":3000'
finish
