#!/usr/bin/env bash
# The program's words, exit codes and JSON.
. "$(dirname "$0")/begin.sh"

expect 3 taskstore list-prds; has "$err" "taskstore init"
expect 3 taskstore sync
git init -q . && expect 0 taskstore sync
for file in store.db .version .gitignore prds.jsonl task_specs.jsonl executions.jsonl dependencies.jsonl workflows.jsonl repo_state.jsonl; do
  [ -e ".taskstore/$file" ] || bad "sync did not make $file"
done
[ -z "$(git status --porcelain --ignored=no .taskstore | grep -E 'store.db|lock|run/')" ] || bad "git sees the cache"
expect 0 taskstore list-prds; has "$out" "No PRDs found"
expect 0 taskstore list-prds --json; same "$out" '{"schema_version":1,"kind":"prd_list","data":[],"next_cursor":null}'

expect 0 taskstore prd add --title 'Wide 日本語 é' --description 'a "b"' --json; prd=$(id_of "$out")
printf '# Doc\n\ntext\n' | { expect 0 taskstore prd set "${prd: -8}" --content - --status ready; }
expect 0 taskstore show prd "${prd: -8}" ; has "$out" "# Doc"; has "$out" "日本語"
expect 4 taskstore prd set "$prd" --status complete; has "$err" "active"
expect 0 taskstore prd set "$prd" --status complete --force
expect 0 taskstore history "$prd"; has "$out" "forced"
expect 0 taskstore undo "$prd"
expect 0 taskstore show prd "$prd" --json; has "$out" '"status":"ready"'
expect 4 taskstore prd add --title x --id "$prd"
expect 4 taskstore prd set "$prd" --title y --if-revision 1@a; has "$err" "revision"
expect 3 taskstore show prd nothing
expect 2 taskstore show nonsense x
expect 2 taskstore frobnicate; expect 2 taskstore list-pdrs; has "$err" "list-prds"
expect 2 taskstore task dead; has "$err" "'task dead' needs a verb: list, retry, drop"
expect 2 taskstore task dead lst; has "$err" "'task dead' has no verb 'lst'"; has "$err" "list"
expect 0 taskstore task dead --help; has "$out" "task dead drop"; lacks "$out" "task add"
expect 2 taskstore prd add --titel x; has "$err" "--titel"
expect 2 taskstore prd add; has "$err" "title"
expect 2 taskstore list-prds --status nonsense; has "$err" "draft"
expect 3 taskstore spec add --prd-id none --phase-name x
expect 0 taskstore spec add --prd-id "${prd: -8}" --phase-name build --json; spec=$(id_of "$out")
expect 0 taskstore list-task-specs "${prd: -8}"; has "$out" "build"
expect 0 taskstore execution add --ts-id "$spec" --branch-name main --json; execution=$(id_of "$out")
expect 0 taskstore list-executions --status RUNNING; has "$out" "running"
expect 0 taskstore execution set "$execution" --status done
expect 0 taskstore show execution "$execution" --json; case "$out" in *'"completed_at":null'*) bad "completed_at was not set" ;; esac
expect 0 taskstore show ts "$spec"
expect 0 taskstore execution add --ts-id "$spec" --json; other=$(id_of "$out")
expect 0 taskstore dependency add --from-exec-id "$execution" --to-exec-id "$other" --dependency-type notify --json; dependency=$(id_of "$out"); has "$out" '"resolved_at":null'
expect 2 taskstore dependency set "$dependency" --resolved-at 5; has "$err" "now"
expect 0 taskstore dependency set "$dependency" --resolved-at now --json; has "$out" '"resolved_at":1'
expect 0 taskstore dependency list -f 'resolved_at!=null' --json; has "$out" "$dependency"
expect 0 taskstore undo "$dependency" --json; has "$out" '"resolved_at":null'
expect 0 taskstore record set dependencies "$dependency" resolved_at=now payload=7 --json; has "$out" '"resolved_at":1'; has "$out" '"payload":"7"'
expect 0 taskstore dependency set "$dependency" --resolved-at none --json; has "$out" '"resolved_at":null'
expect 0 taskstore workflow add --name review
expect 4 taskstore workflow add --name review
expect 0 taskstore stats --json; has "$out" '"prds":{"total":1'

expect 0 taskstore record add notes text='call back' priority=2 --id n1
expect 0 taskstore record add notes text=later priority=10 --id n2
expect 0 taskstore record list notes -f 'priority>2' --json; has "$out" '"n2"'; case "$out" in *'"n1"'*) bad "the filter let n1 through" ;; esac
expect 0 taskstore record set notes n1 priority=3
expect 0 taskstore record get notes n1; has "$out" '"priority": 3'
expect 2 taskstore record list notes -f nonsense
expect 0 taskstore record rm notes n1
expect 3 taskstore record get notes n1

expect 7 taskstore sql 'DELETE FROM prds'
expect 0 taskstore sql 'SELECT count(*) AS n FROM prds' --json; has "$out" '"rows":[[1]]'

printf '# A\n- [ ] one\n- [x] two\n' > list.md
expect 0 taskstore import list.md; has "$out" "1 PRD, 2 task specs"
expect 0 taskstore import list.md; has "$out" "nothing new"
printf '# \xff\n' > bad.md; expect 2 taskstore import bad.md; has "$err" "UTF-8"
expect 3 taskstore import missing.md
printf 'Underlined\n==========\n\n##\n\n## Nothing below\n\nSecond\n------\n- [ ] one\n' > heads.md
expect 0 taskstore import heads.md; has "$out" "4 PRDs, 1 task spec"; lacks "$out" "1 task specs"; same "$err" ""
expect 0 taskstore import heads.md; has "$out" "nothing new"
expect 0 taskstore list-prds; for title in Underlined '(untitled)' 'Nothing below' Second; do has "$out" "$title"; done
printf 'Only prose\n==========\nhere\n' > prose.md; expect 0 taskstore import prose.md; has "$out" "Markdown checklist"; has "$out" "1 PRD"; lacks "$out" "1 PRDs"
rm heads.md prose.md
mkdir -p one two && cp list.md one/ && cp list.md two/
expect 0 taskstore import one/list.md; has "$out" "1 PRD, 2 task specs"
expect 0 taskstore import two/list.md; has "$out" "1 PRD, 2 task specs"
expect 0 taskstore import ./two/../one/list.md; has "$out" "nothing new"
expect 0 taskstore -C one import list.md; has "$out" "nothing new"
expect 0 taskstore import "$PWD/two/list.md" --store "$PWD/.taskstore"; has "$out" "nothing new"
git clone -q . clone 2>/dev/null; cp -r one clone/; expect 0 taskstore -C clone import one/list.md
for c in . clone; do taskstore -C $c sql "SELECT id FROM task_specs ORDER BY 1" | sort > ids.$c.txt 2>/dev/null || bad "sql in $c"; done
[ -s ids.clone.txt ] && [ -z "$(comm -13 ids...txt ids.clone.txt)" ] || bad "a clone has other ids for the same file"
rm -rf clone one two ids.*

# JSON errors: one document on stderr, nothing on stdout.
expect 3 taskstore show prd nothing --json; same "$out" ""; has "$err" '{"error":{"code":"not_found"'
for words in "list-prds" "stats" "doctor" "state --hash" "config show" "version" "history $prd"; do
  expect 0 taskstore $words --json
  python3 -c 'import json,sys; d=json.loads(sys.argv[1]); assert d["schema_version"]==1 and "data" in d and "next_cursor" in d' "$out" || bad "$words: not the envelope"
done

# Settings: the device's file, the plan's, the environment; what travels with git decides nothing for a device.
export TASKSTORE_HOME="$scratch/home"; mkdir -p "$TASKSTORE_HOME"
printf '[list]\nlimit = 1\n' > "$TASKSTORE_HOME/config.toml"
expect 0 taskstore prd list --json; case "$out" in *'"next_cursor":null'*) [ "$(taskstore prd list --count)" -gt 1 ] && bad "list.limit had no effect" ;; esac
expect 0 taskstore config show; has "$out" "$TASKSTORE_HOME/config.toml"
expect 0 env TASKSTORE_CONFIG_LIST__LIMIT=9 "$TASKSTORE" config show; has "$out" "environment"
expect 2 env TASKSTORE_CONFIG_LIST__LIMTI=9 "$TASKSTORE" config show; has "$err" "list.limit"
printf 'list.limt = 1\n' > "$TASKSTORE_HOME/config.toml"; expect 2 taskstore list-prds; has "$err" "list.limit"
rm "$TASKSTORE_HOME/config.toml"
expect 2 env TASKSTORE_HOEM=/x "$TASKSTORE" config show; has "$err" "did you mean 'TASKSTORE_HOME'"
expect 2 env TASK_STORE_PAHT=/x "$TASKSTORE" list-prds; has "$err" "TASK_STORE_PATH"
expect 0 env TASKSTORE_TASK_ID=7 TASKSTORE_TASK_FENCE=1 "$TASKSTORE" config show
for name in TASKSTORE_ACTOR TASKSTORE_DIR TASKSTORE_HOME TASK_STORE_BACKEND TASK_STORE_PATH TASK_STORE_URL NO_COLOR; do has "$out" "$name"; done
printf '[databases]\ntasks = "postgres://h"\n' > .taskstore/config.toml; expect 7 taskstore list-prds; has "$err" "device"
rm .taskstore/config.toml

# Pages.
expect 0 taskstore prd list --limit 1 --json
cursor=$(python3 -c 'import json,sys; print(json.loads(sys.argv[1])["next_cursor"])' "$out")
expect 0 taskstore prd list --limit 100 --cursor "$cursor" --json; has "$out" '"next_cursor":null'
expect 2 taskstore prd list --cursor nonsense

# The cache may go at any moment, and damaged lines are named.
hash=$(taskstore state --hash)
rm -f .taskstore/store.db*; same "$(taskstore state --hash)" "$hash"
head -c 3000 /dev/urandom > .taskstore/store.db; expect 0 taskstore list-prds --status ready; has "$out" "日本語"; has "$err" "built again"
same "$(taskstore state --hash)" "$hash"
printf '{"id":"x"\n' >> .taskstore/prds.jsonl
expect 0 taskstore sync; has "$err" "damaged"
expect 0 taskstore doctor; has "$out" "damaged_line"
printf '{"id":"torn' >> .taskstore/prds.jsonl
expect 0 taskstore prd add --title after-torn; has "$err" "never acknowledged"
expect 0 taskstore -C / --store "$scratch/.taskstore" list-prds; has "$out" "after-torn"

# Ids in all collections: a whole one wins, doubt is said, deleted records count.
expect 0 taskstore record add notes text=1 --id same; expect 0 taskstore record add jobs text=1 --id same
expect 4 taskstore history same; has "$err" "notes same"; has "$err" "jobs same"
expect 0 taskstore history jobs same; has "$out" "jobs same"
expect 0 taskstore record rm jobs same; expect 0 taskstore history same; has "$out" "notes"
expect 0 taskstore history jobs am; has "$out" "deleted"
expect 0 taskstore undo jobs sam; expect 0 taskstore record get jobs same
expect 3 taskstore history nowhere

# What others wrote moves no cursor: escapes of C0 and C1, DEL, texts that turn around.
hostile=$(printf 'x\033]0;owned\007\302\233 31mred\177\342\200\256end')
printf '{"id":"h\\u001b[2J","title":"%s","status":"\\u001b[31m","updated_at":1,"\\u001b[1mname":"\\u001b[2J"}\n' "$(printf %s "$hostile" | sed 's/\x1b/\\u001b/g;s/\x07/\\u0007/g')" >> .taskstore/prds.jsonl
printf 'broken \033[31m\n' >> .taskstore/prds.jsonl
clean() {
  "$TASKSTORE" "$@" >"$scratch/all" 2>&1
  python3 -c 'import sys; t=open(sys.argv[1],"rb").read().decode(); assert not any((ord(c)<32 and c not in "\n\t") or 127<=ord(c)<160 for c in t), t' "$scratch/all" || bad "a control character came through: taskstore $*"
}
for words in "prd list" "prd list --json" "list-prds" "prd show h" "prd show h --json" "record get prds h" "history prds h" "history prds h --json" "doctor" "doctor --json" "sync" "stats"; do clean $words; done
clean prd show "$hostile"; clean prd show "$hostile" --json; clean "$hostile"; clean prd list -f "title=$hostile"; clean sql "SELECT title AS '$hostile' FROM prds"
clean sql "SELECT title FROM prds" --json; clean import "$hostile.md"
expect 0 taskstore prd set 'h' --status draft --force

# Numbers and bytes that JSON cannot spell.
expect 0 taskstore sql 'SELECT 1e999, -1e999, 0.5' --json; has "$out" '"rows":[[null,null,0.5]]'
expect 0 taskstore sql "SELECT CAST(x'61ff62' AS TEXT)" --json; same "$(python3 -c 'import json,sys; print(json.loads(sys.argv[1])["data"]["rows"][0][0])' "$out")" $'a\ufffdb'
for n in 1e400 -1e400 7; do expect 0 taskstore record add numbers n=$n --id "n$n"; done
seen=""; cursor=""
for i in 1 2 3; do
  expect 0 taskstore record list numbers --order n --limit 1 --json --cursor "$cursor"
  seen="$seen $(python3 -c 'import json,sys; d=json.loads(sys.argv[1]); print(d["data"][0]["id"])' "$out")"
  cursor=$(python3 -c 'import json,sys; print(json.loads(sys.argv[1])["next_cursor"] or "")' "$out")
done
same "$seen" " n-1e400 n7 n1e400"

# Usage errors.
expect 2 taskstore; expect 2 taskstore --bogus; has "$err" "--bogus"; expect 2 taskstore --stor; has "$err" "did you mean '--store'"
expect 2 taskstore -C; has "$err" "needs a value"; expect 2 taskstore prd list -C; expect 2 taskstore --json; has "$err" '{"error":{"code":"invalid"'
expect 2 taskstore -C ""; expect 2 taskstore prd add --title x --id ""; has "$err" "--id is empty"
expect 2 taskstore record list notes -f 'a"b=1'; has "$err" "member"; expect 2 taskstore execution add; has "$err" "an execution"
expect 2 taskstore frobnicate --help; expect 0 taskstore prd --help; has "$out" "prd add"; expect 0 taskstore help prd set; has "$out" "--force"
for words in "--json --help" "prd add --json --help" "--help --json" "help prd --json"; do
  expect 0 taskstore $words; python3 -c 'import json,sys; assert json.loads(sys.argv[1])["kind"]=="help"' "$out" || bad "$words is no help document"
done
for words in "frobnicate" "prd add" "prd show zzz" "import none.md" "sql nonsense" "prd list --limit x" "history zzz"; do
  "$TASKSTORE" $words --json 2>"$scratch/err" && bad "$words passed"
  python3 -c 'import json,sys; e=json.load(open(sys.argv[1]))["error"]; assert e["code"] and e["message"] and e["hint"]' "$scratch/err" || bad "$words: no error with a hint: $(cat "$scratch/err")"
done

# Notes: each once, as JSON under --json, none with --quiet.
printf 'broken\n' >> .taskstore/notes.jsonl
expect 0 taskstore sync --rebuild --json
python3 -c 'import json,sys; lines=[json.loads(l)["note"]["message"] for l in sys.argv[1].splitlines()]; assert lines and len(set(lines))==len(lines)' "$err" || bad "notes under --json: $err"
expect 0 taskstore sync --rebuild --quiet; same "$err" ""

# store.db as a folder is said, not guessed.
mkdir -p folder/.taskstore/store.db && expect 0 git -C folder init -q && expect 0 taskstore -C folder list-prds; has "$err" "is a folder"; has "$err" "move it away"; expect 6 taskstore -C folder prd add --title x; has "$err" "is a folder"
rm -rf folder

# Filters: lists, groups, declared types.
for s in draft ready active; do expect 0 taskstore prd add --title "filter $s" --status $s --description 1.10; done
count() { expect 0 taskstore prd list --count "$@"; echo "$out"; }
same "$(count -f 'title~filter AND status in (draft,READY)')" 2
same "$(count -f 'title="filter ready" OR (title~filter AND status=active)')" 2
same "$(count -f description=1.10)" 3; same "$(count -f description=1.1)" 0; same "$(count -f review_passes=0 -f title~filter)" 3
expect 2 taskstore prd list -f 'review_passes=many'; has "$err" "whole number"
expect 2 taskstore prd list -f 'status in (nonsense)'; expect 2 taskstore prd list -f '(status=draft'

# Values follow the declared type; text comes from files and standard input too.
expect 0 taskstore record add prds title=2024 description=true --id typed --json; has "$out" '"title":"2024"'; has "$out" '"description":"true"'
expect 0 taskstore record add prd title=1.10 review_passes=3 --id typed2 --json; has "$out" '"title":"1.10"'; has "$out" '"review_passes":3'
expect 2 taskstore record set prds typed2 review_passes=1.5
expect 0 taskstore record add notes n=1.10 b=true t=hello o='{"a":[1]}' q='"5"' --id typed --json; has "$out" '"n":1.10,"b":true,"t":"hello","o":{"a":[1]},"q":"5"'
printf 'two\nlines\n' > text.txt
expect 0 taskstore prd set typed --description @text.txt --json; has "$out" '"description":"two\nlines"'
printf 'from stdin\n' | { expect 0 taskstore prd set typed --title - --json; has "$out" '"title":"from stdin"'; }
expect 0 taskstore prd set typed --title @@home --json; has "$out" '"title":"@home"'
expect 0 taskstore record set notes typed t=@text.txt --json; has "$out" '"t":"two\nlines"'
expect 2 taskstore prd set typed --title - --description - < text.txt; has "$err" "twice"
expect 3 taskstore prd set typed --title @missing.txt

# Work over a second shows a bar on a terminal, with rate and time left, and takes it away.
{ echo '# Big'; seq -f '- [ ] item %.0f' 1 3000; } > big.md
python3 - "$TASKSTORE" <<'EOF' || bad "no progress bar"
import os, pty, sys
child, terminal = pty.fork()
if child == 0:
    os.execv(sys.argv[1], ["taskstore", "import", "big.md"])
seen = b""
try:
    while part := os.read(terminal, 65536):
        seen += part
except OSError:
    pass
ok = os.waitpid(child, 0)[1] == 0
lines = seen.split(b"\r\x1b[K")
assert ok and lines[-1].startswith(b"imported big.md"), seen[-400:]
assert any(b"/s" in line and b"s left" in line for line in lines) or len(lines) == 1, seen[-400:]
EOF

expect 0 taskstore --help; expect 0 taskstore prd add --help; has "$out" "--title"
# The founding words, with their short options.
git init -q "$scratch/words" && cd "$scratch/words" && expect 0 taskstore init
expect 0 taskstore prd add --title one --status active --id w1; expect 0 taskstore prd add --title two --id w2
expect 0 taskstore list-prds -s active; has "$out" "one"; case "$out" in *two*) bad "-s does not filter: $out" ;; esac
expect 0 taskstore --store-path .taskstore list-prds; has "$out" "two"
expect 0 taskstore -s .taskstore stats; has "$out" "prds"
printf '# List\n\n- [ ] step\n' > list.md
expect 0 taskstore import list.md; expect 0 taskstore undo; has "$out" "2 records"
expect 0 taskstore list-prds; case "$out" in *List*) bad "undo left a part of the batch: $out" ;; esac
echo '{"id":"odd","title":"Odd","status":"weird","created_at":5,"updated_at":6}' >> .taskstore/prds.jsonl
expect 0 taskstore stats; has "$out" "weird"
expect 0 taskstore prd set odd --status draft
expect 0 taskstore sql - <<< 'SELECT count(*) FROM prds'; has "$out" "3"
expect 2 taskstore record add loose --id d a=1 a=2
expect 2 taskstore record add loose --id d deleted=true; has "$err" "deletion"
printf 'x' > .taskstore/.version; expect 6 taskstore list-prds; has "$err" ".version"; echo 1 > .taskstore/.version
cd "$scratch"

# Without a variable that names the user, the system's list of users does.
expect 0 env -u USER -u LOGNAME -u TASKSTORE_ACTOR "$TASKSTORE" config show; has "$out" "$(id -un)"; lacks "$out" "uid-"
# One is one.
# A name that is misspelt is no new store: `init` makes one, and a folder that is there may become one.
for verb in sync "import /dev/null"; do
  expect 3 taskstore --store "$scratch/misspelt" $verb; has "$err" "'taskstore init' with it"
  expect 3 env TASKSTORE_DIR="$scratch/misspelt" "$TASKSTORE" $verb; has "$err" "TASKSTORE_DIR"
done
[ -e "$scratch/misspelt" ] && bad "a misspelt name became a store"
mkdir "$scratch/there"; expect 0 taskstore --store "$scratch/there" sync
mkdir "$scratch/single"; expect 0 taskstore init --store "$scratch/single"
expect 0 taskstore --store "$scratch/single" record add loose t=1
printf 'damaged\n' >> "$scratch/single/loose.jsonl"
expect 0 taskstore --store "$scratch/single" sync; has "$out" "1 record,"; has "$err" "1 damaged line was"
# A working folder that is gone is named as what it is; a store that is named needs none.
mkdir "$scratch/gone" && cd "$scratch/gone" && rmdir "$scratch/gone"
expect 3 taskstore stats; has "$err" "the working folder is gone"
expect 3 taskstore --store single stats; has "$err" "the working folder is gone"
expect 0 taskstore --store "$scratch/single" stats
expect 0 taskstore -C "$scratch" stats
cd "$scratch"

finish
