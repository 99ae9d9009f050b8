#!/usr/bin/env bash
# The queue as people and workers use it, verb by verb; and workers that are killed.
. "$(dirname "$0")/begin_tasks.sh"
mkdir proj && cd proj && git init -q .

expect 0 taskstore task claim --worker w1 --json; same "$(json "$out" d)" "[]"
expect 0 taskstore task add --title 'Elsewhere' --project q -q; other=$out
expect 0 taskstore task list; same "$out" "no tasks"; has "$err" "only tasks of project 'proj'"; has "$err" "--all-projects"
expect 0 taskstore task list --project proj; same "$err" ""
expect 0 taskstore task stats; has "$out" "proj "; lacks "$out" "all "
expect 0 taskstore task stats --all-projects; has "$out" "q "; has "$out" "all "
expect 0 taskstore task rm "$other"
expect 5 taskstore task next --wait 100ms; has "$err" "nothing to claim"
expect 0 taskstore task add --title 'First' --priority low --json; first=$(json "$out" 'd["id"]')
same "$(json "$out" 'd["status"], d["project"], d["priority"]')" "('pending', 'proj', -10)"
expect 0 taskstore task add --title 'Second' --depends-on "$first" --key k --json; second=$(json "$out" 'd["id"]')
expect 0 taskstore task add --title 'Second' --depends-on "$first" --key k --json; same "$(json "$out" 'd["id"]')" "$second"
expect 4 taskstore task add --title 'Other' --key k; has "$err" "$second"
expect 3 taskstore task add --title 'x' --depends-on nobody
expect 2 taskstore task add --title 'x' --priority huge
expect 2 taskstore task add --title ' '; has "$err" "wants a title"
expect 2 taskstore task set "$first"; has "$err" "nothing to set"
expect 2 taskstore task set "$first" --title ' '; has "$err" "wants a title"
expect 2 taskstore task dead; has "$err" "'task dead' needs a verb: list, retry, drop"
expect 2 taskstore work --jobs -1; has "$err" "jobs -1 is not in 1.."; same "$out" ""
lost=$(taskstore task add -q --title lost --project q); after=$(taskstore task add -q --title after --depends-on "$lost" --input '[1]' --project q)
expect 0 taskstore task cancel "$lost"
expect 0 taskstore task why "$after"; has "$out" "task retry $lost"; has "$out" "--no-depends-on $lost"
expect 0 taskstore task show "$after"; has "$out" "input               [1]"; lacks "$out" "held by"
expect 0 taskstore task rm "$after"; expect 0 taskstore task rm "$lost"
expect 0 taskstore task ready --quiet; same "$out" "$first"
expect 0 taskstore task blocked --quiet; same "$out" "$second"
# A terminal of 80 columns shows of each id the end that tells it from the others, and any verb takes that.
COLUMNS=80 NO_COLOR=1 python3 -c 'import pty, sys; pty.spawn(sys.argv[1:])' taskstore task list < /dev/null > list.txt
for whole in "$first" "$second"; do
  end=$(tail -n +2 list.txt | tr -d '\r' | awk -v id="$whole" '$1 != "" && substr(id, length(id) - length($1) + 1) == $1 { print $1 }')
  same "${#end}" 8; expect 0 taskstore task show "$end" --json; same "$(json "$out" 'd["id"]')" "$whole"
done
rm list.txt
expect 0 taskstore task why "$second"; has "$out" "$first"
expect 4 taskstore task rm "$first"; has "$err" "$second"

# What a task waits for changes, and never ends in itself.
expect 4 taskstore task set "$first" --depends-on "$second"; has "$err" "$first → $second → $first"
expect 0 taskstore task set "$second" --no-depends-on "$first"; expect 0 taskstore task blocked --quiet; same "$out" ""
expect 3 taskstore task set "$second" --no-depends-on "$first"
expect 2 taskstore task set "$second"; has "$err" "nothing to set"
expect 2 taskstore task set "$second" --if-revision 1; has "$err" "nothing to set"
expect 0 taskstore task set "$second" --depends-on "$first" --json; same "$(json "$out" 'd["open_dependencies"]')" 1

# A hold, its fence, and what is refused.
expect 0 taskstore task claim --worker w1 --limit 5 --lease 10m --request-id r1 --json; fence=$(json "$out" 'd[0]["fence"]')
claim=$out
expect 0 taskstore task claim --worker w1 --limit 5 --lease 10m --request-id r1 --json; same "$out" "$claim"; same "$err" ""
# Also where nothing is to be had by now: whoever asks again waits for what it was given already.
expect 0 taskstore task next --worker w1 --limit 5 --lease 10m --request-id r1 --wait 30s --json; same "$out" "$claim"
expect 4 taskstore task renew "$first" --fence 7 --json; has "$err" '"code":"lease_lost"'
expect 0 taskstore task renew "$first" --fence "$fence" --lease 20m
expect 4 taskstore task rm "$first"; has "$err" "w1"
expect 2 taskstore task complete "$first" --fence "$fence" --result '{'
expect 0 taskstore task complete "$first" --fence "$fence" --result '{"n":1}' --json; same "$(json "$out" 'd["result"]["n"]')" 1
expect 4 taskstore task complete "$first" --fence "$fence"
for verb in complete cancel retry; do
  expect 4 taskstore task $verb "$first"; has "$err" "'taskstore task show $first --history' says how it ended"; lacks "$err" "task retry"
done
for words in "set --title x" why show wait complete cancel "dead drop"; do
  # shellcheck disable=SC2086
  expect 3 taskstore task $words 01a20772-7511-72c6-a8b8-6cb8e0c472fd; has "$err" "task list --all-projects"
done
expect 0 taskstore task claim --worker w1 --limit 5 --lease 10m --request-id r1 --json; same "$(json "$out" 'd[0]["fence"]')" "$fence"; has "$err" "$first is completed by now"
expect 0 taskstore task show "$first" --history --json; same "$(json "$out" '[h["verb"] for h in d["history"]]')" "['create', 'claim', 'complete']"

# A status is spelt as the founding systems spelt it, and the same for people and for the query protocol.
expect 0 taskstore task add --title none --json; none=$(json "$out" 'd["id"]'); expect 0 taskstore task cancel "$none"
for pair in pending:pending running:in_progress In-Progress:in_progress complete:completed DONE:completed error:failed canceled:cancelled; do
  for word in "${pair%:*}" "${pair#*:}"; do
    expect 0 taskstore task list --all-projects --status "$word" --json; same "$word: $(json "$out" 'all(t["status"] == sys.argv[3] for t in d)' "${pair#*:}")" "$word: True"
    listed=$(json "$out" 'sorted(t["id"] for t in d)')
    expect 0 taskstore query '{"query_type":"list_tasks","params":{"status":"'"$word"'"}}'; same "$(json "$out" 'sorted(t["id"] for t in d["tasks"])')" "$listed"
  done
done
expect 2 taskstore task list --status bogus; has "$err" "is no status"
expect 0 taskstore task rm "$none"

# Each answer to a write names what it survives, and no other answer does.
level() { python3 -c 'import json,sys; print(json.loads(sys.argv[1]).get("level"))' "$1"; }
expect 0 taskstore task add --title level --json; same "$(level "$out")" flushed; own=$(json "$out" 'd["id"]')
for words in "set $own --priority urgent" "claim --worker l --request-id rl" "claim --worker l --request-id rl" "renew $own" "release $own" \
             "next --worker l" "fail $own --final" "retry $own" "claim --worker l" "complete $own" "add --title level --key lk" \
             "add --title level --key lk"; do
  # shellcheck disable=SC2086
  expect 0 taskstore task $words --json; same "$words: $(level "$out")" "$words: flushed"
done
expect 0 taskstore task rm "$(json "$out" 'd["id"]')" --json; same "$(level "$out")" flushed
expect 0 taskstore task rm "$own" --json; same "$(level "$out")" flushed
for words in "list" "ready" "stats" "show $first"; do
  # shellcheck disable=SC2086
  expect 0 taskstore task $words --json; same "$words: $(level "$out")" "$words: None"
done

# What a worker's command is given are the defaults of the verbs.
expect 0 taskstore task next --worker w2 --json; fence=$(json "$out" 'd[0]["fence"]'); same "$(json "$out" 'd[0]["id"]')" "$second"
expect 0 env TASKSTORE_TASK_ID="$second" TASKSTORE_TASK_FENCE="$fence" TASKSTORE_TASK_WORKER=w2 "$TASKSTORE" task fail --error boom --final
expect 0 taskstore task why "$second"; has "$out" "boom"
expect 0 taskstore task retry "$second"
expect 0 taskstore task cancel "$second" --reason 'not needed'
expect 4 taskstore task cancel "$second"
expect 0 taskstore task rm "$second"; expect 3 taskstore task show "$second"
expect 0 taskstore task show "$second" --history; has "$out" "was removed"; has "$out" "not needed"

# What people are shown of a task.
expect 0 taskstore task add --title shown --input '{"a":1.50}' --metadata '{"b":2}' --agent-type cursor --capability gpu --capability arm --concurrency-key site \
  --concurrency-limit 2 --key shown-1 --spec s1 --parent "$first" --quiet; shown=$out
expect 0 taskstore task show "$shown"
for told in '{"a":1.50}' '{"b":2}' 'cursor' 'arm, gpu' 'site, at most 2' shown-1 s1 "$first"; do has "$out" "$told"; done
lacks "$out" "held by"; expect 0 taskstore task rm "$shown"
expect 0 taskstore task show "$first"; has "$out" "last held by        w1"

# Dead tasks.
expect 0 taskstore task add --title dying --max-attempts 1 --quiet; dying=$out
expect 0 taskstore task claim --worker w; expect 0 taskstore task fail "$dying" --error boom
expect 0 taskstore task dead list --quiet; same "$out" "$dying"
expect 0 taskstore task add --title after --depends-on "$dying" --quiet; after=$out
expect 0 taskstore task why "$after"; has "$out" "$dying (failed): dying"; has "$out" "'taskstore task set $after --no-depends-on $dying'"
expect 0 taskstore task rm "$after"
expect 0 taskstore task dead retry "$dying"; expect 4 taskstore task dead drop "$dying"; has "$err" "task dead list"
expect 0 taskstore task claim --worker w; expect 0 taskstore task fail "$dying" --error boom
expect 0 taskstore task dead drop "$dying" --json; same "$(level "$out")" flushed; expect 3 taskstore task show "$dying"

# A waiter is woken by another process, and by the end of a task.
taskstore task next --worker w3 --wait 60s --quiet > "$scratch/woken" & waiter=$!
expect 0 taskstore task add --title late --quiet; late=$out
wait $waiter || bad "the waiter was not woken"; same "$(cat "$scratch/woken")" "$late"
taskstore task wait "$late" --timeout 60s >/dev/null & waiter=$!
expect 0 taskstore task complete "$late"; wait $waiter || bad "the end of a task wakes nobody"
expect 5 taskstore task wait "$(taskstore task add --title open -q)" --timeout 50ms

# Lists, their order, and ids that are shortened.
expect 0 taskstore task add --project lists --title one --priority high --capability gpu --quiet; one=$out
expect 0 taskstore task add --project lists --title two --depends-on "${one:24}" --agent-type cursor --quiet; two=$out
expect 0 taskstore task show "${two:24}" --json; same "$(json "$out" 'd["depends_on"]')" "['$one']"
expect 0 taskstore task list --project lists --order -priority --quiet; same "$out" "$one
$two"
expect 0 taskstore task list --project lists --capability gpu --min-priority normal --created-since=-1h --quiet; same "$out" "$one"
expect 0 taskstore task list --project lists --agent-type cursor --text TWO --max-priority 0 --quiet; same "$out" "$two"
expect 0 taskstore task list --project lists --updated-until=-1h --quiet; same "$out" ""
expect 2 taskstore task list --order title; has "$err" "created, updated or priority"
expect 4 taskstore task show 0; has "$err" "is part of more than one task's id"; has "$err" "give more of the id"
expect 0 taskstore task set "${two:24}" --no-depends-on "${one:24}"; expect 0 taskstore task claim --project lists --worker w --capability gpu --quiet; same "$out" "$one"
expect 0 taskstore task list --assigned-to w --project lists --quiet; same "$out" "$one"
expect 0 taskstore task complete "${one:24}"; expect 0 taskstore task cancel "${two:24}"; expect 0 taskstore task why "${two:24}"
expect 0 taskstore task rm "${two:24}"; expect 3 taskstore task rm "${two:24}"

# What other devices ask.
expect 0 taskstore query '{"query_id":"q","query_type":"list_tasks","params":{"project":"lists"}}'; same "$(json "$out" '[t["id"] for t in d["tasks"]]')" "['$one']"; has "$out" '"query_id":"q"'
printf '{"query_type":"get_task","params":{"id":"%s"}}' "${one:24}" > "$scratch/request"
taskstore query < "$scratch/request" > "$scratch/answer"; same "$(json "$(cat "$scratch/answer")" 'd["task"]["status"]')" completed
expect 2 taskstore query 'no request'; has "$out" '"status":"invalid"'; has "$err" "JSON"
expect 3 taskstore query '{"query_type":"get_task","params":{"id":"nobody"}}'; has "$out" '"status":"not_found"'

# Several stores are asked at once; one that is away hides none of the others, and nothing is made in any.
TASK_STORE_PATH=$scratch/other.db taskstore task add --title 'Elsewhere' --project lists -q > /dev/null
asked='{"query_type":"list_tasks","params":{"project":"lists","order":"created"}}'
expect 0 taskstore query --on "$TASKSTORE_HOME/tasks.db" --on "sqlite:$scratch/other.db" "$asked"
same "$(json "$out" '[(t["store"][-9:], t["id"] == sys.argv[3]) for t in d["tasks"]]' "$one")" "[('/tasks.db', True), ('/other.db', False)]"
expect 9 taskstore query --on "$scratch/other.db" --on "$scratch/none.db" --on 'postgres://ann:geheim@127.0.0.1:1/none' "$asked"
has "$out" '"status":"partial"'; has "$out" Elsewhere; has "$out" '"status":"not_found"'
lacks "$out$err" geheim; has "$err" '2 of 3 stores'; [ ! -e "$scratch/none.db" ] || bad "a question made a store"
expect 3 taskstore query --on "$scratch/none.db" "$asked"; has "$out" '"data":null'
# A server that takes connections and says nothing is given up at the deadline of the request.
python3 -c 'import socket, time
s = socket.create_server(("127.0.0.1", 0), backlog=16); open("mute.tmp", "w").write(str(s.getsockname()[1]))
import os; os.rename("mute.tmp", "mute"); time.sleep(1000)' & mute=$!
until [ -e mute ]; do command sleep 0.02; done; port=$(cat mute)
expect 9 taskstore query --on "$scratch/other.db" --on "postgres://u@127.0.0.1:$port/d?connect_timeout=900&sslmode=disable" --on "libsql://127.0.0.1:$port?tls=0" \
  '{"query_type":"list_tasks","deadline_ms":1500}'
same "$(python3 -c 'import json,sys; print([s["status"] for s in json.loads(sys.argv[1])["stores"]])' "$out")" "['ok', 'timed_out', 'timed_out']"
kill $mute; wait $mute 2>/dev/null
expect 2 taskstore query --on "$scratch/other.db" --on ../other.db "$asked"; has "$err" twice
expect 2 taskstore query --on nothing "$asked"; has "$err" "postgres://"

# Words of titles and descriptions, also after a move.
expect 0 taskstore task add --title 'Build the Index' --description 'for Zürich' --quiet; index=$out
expect 0 taskstore task search zurich INDEX --quiet; same "$out" "$index"
expect 0 taskstore task search zurich nowhere --quiet; same "$out" ""
expect 2 taskstore task search '%'; has "$err" "no word to search for"
expect 0 taskstore task set "$index" --title 'Build the Tree'; expect 0 taskstore task search index --quiet; same "$out" ""
expect 0 taskstore move --database tasks --to "sqlite:$scratch/moved.db"
expect 0 taskstore task search tree --quiet; same "$out" "$index"; expect 0 taskstore task rm "$index"
expect 0 taskstore move --database tasks --undo; expect 0 taskstore task search tree --quiet; same "$out" ""

# Age against priority: for a whole database, also where it has moved, and out of a backup.
expect 0 taskstore task ageing; same "$out" "off: tasks are claimed by priority strictly, then by age"
expect 0 taskstore task add --project aged --title old --priority low --quiet; old=$out
expect 0 taskstore task add --project aged --title new --quiet; new=$out
python3 - "$TASKSTORE_HOME/tasks.db" "$old" <<'PY'
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as db: db.execute("UPDATE tasks SET created_at = created_at - 5000 WHERE id = ?", (sys.argv[2],))
PY
expect 0 taskstore task ready --project aged --quiet; same "$out" "$new
$old"
for wrong in 0s 500ms 367d soon; do expect 2 taskstore task ageing --set $wrong; done
expect 0 taskstore task ageing --set 1s --json; same "$(json "$out" 'd["ageing_ms"], d["ranking"]')" "(1000, False)"; has "$out" '"level":"flushed"'
expect 0 taskstore task ready --project aged --quiet; same "$out" "$old
$new"
expect 0 taskstore task why "$old"; has "$out" "by its age it goes before tasks of priority 0 that are made after"
expect 0 taskstore backup --database tasks "$scratch/aged.zst"
expect 0 taskstore move --database tasks --to "sqlite:$scratch/moved-aged.db"
expect 0 taskstore task ageing; same "$out" "1s: a task goes before one of ten more priority that is made 1s later"
expect 0 taskstore move --database tasks --undo
expect 0 taskstore task ageing --set off; has "$out" off
expect 0 taskstore task ready --project aged --quiet; same "$out" "$new
$old"
expect 0 taskstore restore --replace "$scratch/aged.zst"
expect 0 taskstore task ready --project aged --quiet; same "$out" "$old
$new"
expect 0 taskstore task ageing --set off; expect 0 taskstore task rm "$old"; expect 0 taskstore task rm "$new"

# Eight processes work off sixty tasks; each is held once.
for i in $(seq 60); do echo "$i"; done | xargs -P 8 -I{} "$TASKSTORE" task add --project many --title 'job {}' --quiet > "$scratch/made"
worker() { while id=$("$TASKSTORE" task claim --project many --worker "$1" --quiet) && [ -n "$id" ]; do echo "$id"; "$TASKSTORE" task complete "$id" --quiet >/dev/null; done; }
for w in 1 2 3 4 5 6 7 8; do worker w$w > "$scratch/worker$w" & done; wait
same "$(cat "$scratch"/worker* | sort)" "$(sort "$scratch/made")"
expect 0 taskstore task stats --project many --json; same "$(json "$out" 'd["by_status"]["completed"]')" 60

# By hand, in SQL: the verb is named.
expect 0 taskstore task add --title raw --quiet
python3 - "$TASKSTORE_HOME/tasks.db" 2>"$scratch/raw" <<'PY' && bad "a raw claim went through"
import sqlite3, sys
sqlite3.connect(sys.argv[1]).execute("UPDATE tasks SET status = 'in_progress' WHERE status = 'pending'")
PY
has "$(cat "$scratch/raw")" "use_taskstore_task_claim"
expect 0 taskstore sql --database tasks "SELECT verb, at FROM task_history_readable ORDER BY seq LIMIT 1"; has "$out" "create"
finish
