#!/usr/bin/env bash
# What the program says: hints that lead somewhere, words that are true, secrets that stay hidden.
source_folder=$(realpath "$(dirname "$0")/../../src")
. "$(dirname "$0")/begin.sh"
export TASKSTORE_HOME="$scratch/home"
json() { python3 -c 'import json,sys; d=json.loads(sys.argv[1]); print(eval(sys.argv[2]))' "$1" "$2"; }
# Every command that a text names in quotes, up to its first argument, is one.
commands_in() {
  grep -oE "'taskstore [a-z][a-z -]*[a-z]'?" <<<"$1" | tr -d "'" | sed 's/ --.*//' | sort -u |
    while read -r words; do
      "$TASKSTORE" ${words#taskstore} --help >/dev/null 2>&1 || echo "$words"
    done
}

# The first sync says what it made.
mkdir tree && cd tree && git init -q .
expect 0 taskstore sync; has "$err" "made the store $PWD/.taskstore"
expect 0 taskstore sync; same "$err" ""

# Hints.
named=$(commands_in "$(find "$source_folder" -name '*.cpp' ! -path '*/tests/*' -exec cat {} +)")
same "$named" ""
for kind in prd ts execution dependency workflow repo; do
  expect 3 taskstore show $kind zzz; same "$(commands_in "$err")" ""; has "$err" "look at 'taskstore "
done
expect 3 taskstore record get notes zzz; same "$(commands_in "$err")" ""
expect 3 taskstore -C /nonexist list-prds; has "$err" "-C"; lacks "$err" "stats"
expect 3 taskstore import missing.md; has "$err" "check the path"; lacks "$err" "stats"
expect 3 taskstore --store /nonexist list-prds; has "$err" "no store at '/nonexist'"; has "$err" "--store"
expect 3 env TASKSTORE_DIR=/nonexist "$TASKSTORE" list-prds; has "$err" "TASKSTORE_DIR"
# The examples of every help are commands with options that exist.
expect 0 taskstore --help --json
while read -r words; do
  expect 0 taskstore $words --help --json
  json "$out" '"\n".join(d["data"]["examples"])' > "$scratch/examples"
  while read -r example; do
    eval "set -- ${example#taskstore }"
    expect 0 taskstore "$@" --help
  done < "$scratch/examples"
done < <(json "$out" '"\n".join(c["command"] for c in d["data"])')
# The words of a status.
for words in "prd add" "prd set" "prd list" "list-prds"; do expect 0 taskstore $words --help; has "$out" "draft, ready, active, complete, cancelled"; done
expect 0 taskstore spec add --help --json; has "$out" "pending, running, complete, failed"
expect 0 taskstore dependency add --help; has "$out" "notify, query, share"

# Secrets.
expect 0 env TASK_STORE_URL='postgres://ann:s3cret@db.example/x?password=s3cret&sslmode=require' "$TASKSTORE" config show
lacks "$out" "s3cret"; has "$out" "postgres://ann:***@db.example/x?password=***&sslmode=require"
expect 0 env TASK_STORE_URL='libsql://h?authToken=s3cret' "$TASKSTORE" config show --json; lacks "$out" "s3cret"; has "$out" "authToken=***"

# An empty variable is none.
expect 0 env TASKSTORE_HOME= TASKSTORE_DIR= TASKSTORE_ACTOR= TASK_STORE_URL= TASKSTORE_CONFIG_LIST__LIMIT= "$TASKSTORE" config show --json
for name in '(device home)' '(store)' list.limit user.actor; do
  lacks "$(json "$out" "[s['source'] for s in d['data'] if s['name']=='$name'][0]")" "environment"
done
has "$(json "$out" "[s['source'] for s in d['data'] if s['name']=='TASK_STORE_URL'][0]")" "not set"
expect 3 env -C / TASKSTORE_DIR= "$TASKSTORE" list-prds; has "$err" "no .taskstore in this folder"

# What became of a write.
expect 0 taskstore prd add --title one --id p1 --json; same "$(json "$out" 'd["data"]["_effect"]')" created
expect 0 taskstore prd set p1 --title two; same "$out" "changed prd p1"
expect 0 taskstore prd set p1 --title two; same "$out" "unchanged prd p1"; same "$err" ""
expect 0 taskstore prd set p1 --title two --json; same "$(json "$out" 'd["data"]["_effect"]')" unchanged; same "$err" ""
expect 0 taskstore prd add --title gone --id p2; expect 0 taskstore undo p2 --json; same "$(json "$out" 'd["data"]["_effect"]')" deleted
expect 0 taskstore prd add --title gone --id p3; expect 0 taskstore undo p3; has "$out" "deleted now"
expect 0 taskstore prd rm p1 --json; same "$(json "$out" 'd["data"]["_effect"]')" deleted
printf '# List\n\n- [ ] step\n' > list.md; expect 0 taskstore import list.md
expect 0 taskstore undo --json; same "$(json "$out" '[r["_effect"] for r in d["data"]]')" "['deleted', 'deleted']"

# A workflow goes by its name; its whole id wins.
expect 0 taskstore workflow add --name review --id wf1; expect 0 taskstore workflow add --name wf1 --id wf2
expect 0 taskstore show workflow review --json; has "$out" '"id":"wf1"'
expect 0 taskstore show workflow wf1 --json; has "$out" '"id":"wf1"'
expect 0 taskstore workflow set review --description two; expect 3 taskstore show workflow revi

# The founding lists: how many, then a table, without blanks at the ends of its lines.
expect 0 taskstore prd add --title 'the first' --id prd-1; expect 0 taskstore spec add --prd-id prd-1 --phase-name Build --id ts-1
expect 0 taskstore execution add --ts-id ts-1 --id ex-1
expect 0 taskstore list-prds; same "$(sed -n 1,3p <<<"$out")" $'1 PRD\n\nID     TITLE      STATUS  PASSES'
expect 0 taskstore list-task-specs prd-1; same "$out" $'1 task spec\n\nID    PHASE  PRD ID  STATUS\nts-1  Build  prd-1   pending'
expect 0 taskstore list-executions; same "$(sed -n 1p <<<"$out")" "1 execution"; has "$out" "TASK SPEC ID"; has "$out" "ts-1"
for words in "list-executions" "spec list" "workflow list" "stats" "config show" "history ts-1"; do
  expect 0 taskstore $words; grep -n ' $' <<<"$out" && bad "$words: blanks at the end of a line"
done

# Settled markers: git is to be told.
git add -A . && git -c user.name=a -c user.email=a@b commit -qm one
line='{"id":"m","title":"Marked","status":"draft","created_at":1,"updated_at":5}'
printf '<<<<<<< ours\n%s\n=======\n%s\n>>>>>>> theirs\n' "$line" "${line/5\}/6\}}" >> .taskstore/prds.jsonl
expect 0 taskstore sync; has "$err" "git add"; has "$err" ".taskstore/prds.jsonl'"

# Filters: keywords in any case, NOT, and no empty list.
expect 0 taskstore prd add --title 'second' --status ready --id prd-2
count() { expect 0 taskstore prd list --count "$@"; echo "$out"; }
same "$(count -f 'id=prd-1 or id=prd-2')" 2; same "$(count -f 'id=prd-1 and not status=ready')" 1
same "$(count -f 'id in (prd-1,prd-2) And Not (status=ready)')" 1; same "$(count -f 'id Not In (prd-1)' -f 'id~prd')" 1
expect 2 taskstore prd list -f 'status in ()'; has "$err" "empty"; expect 2 taskstore prd list -f 'title=a and b'; has "$err" "double quotes"

# The version of the folder's format is written again when it is gone.
rm .taskstore/.version; expect 0 taskstore sync; [ -s .taskstore/.version ] || bad "sync left .version away"
rm .taskstore/.version; expect 0 taskstore prd add --title x; [ -s .taskstore/.version ] || bad "a write left .version away"

# A lock that another program holds: said after a second, and not for ever.
hold() { python3 -c '
import fcntl, sys
f = open(sys.argv[1], "a"); fcntl.flock(f, fcntl.LOCK_EX); sys.stdin.read()' "$1"; }
export TASKSTORE_CONFIG_LEDGER__LOCK_WAIT_MS_MAX=1500
for file in lock prds.jsonl; do
  exec {holder}> >(hold ".taskstore/$file")
  while flock -n ".taskstore/$file" true; do :; done
  expect 5 taskstore prd add --title late; has "$err" "waiting for '$PWD/.taskstore/$file'"; has "$err" "within"; has "$err" "holds it"
  expect 5 taskstore prd add --title late --json; same "$out" ""; has "$err" '{"note":{"message":"waiting'; has "$err" '"code":"timed_out"'; has "$err" '"hint":"try again'
  expect 5 taskstore prd add --title late --quiet; lacks "$err" "waiting"
  expect 0 taskstore list-prds; lacks "$out" "late"
  [ $file != lock ] || { expect 5 taskstore sync; has "$err" "holds it"; }
  # It goes on as soon as it can.
  : > "$scratch/waiting"
  TASKSTORE_CONFIG_LEDGER__LOCK_WAIT_MS_MAX=60000 "$TASKSTORE" prd add --title "after $file" >/dev/null 2>"$scratch/waiting" {holder}>&- &
  writer=$!
  until grep -q waiting "$scratch/waiting"; do :; done
  exec {holder}>&-
  wait "$writer" || bad "the writer that waited for $file failed"
  expect 0 taskstore list-prds; has "$out" "after $file"
done

# A folder is no store because it is named: a read makes nothing in it.
mkdir plain; echo '{}' > plain/data.jsonl
expect 3 taskstore --store plain list-prds; has "$err" "there is no store at"
expect 3 taskstore --store plain prd add --title x
same "$(ls plain)" "data.jsonl"

# A deletion that an edit was lost to is confirmed by deleting again.
git init -q lost && cd lost && taskstore sync 2>/dev/null
{
  echo '{"id":"p","title":"T","status":"draft","updated_at":1700000000000,"_stamps":{"v":1,"at":"1700000000000@aaaaaaaaaa"}}'
  echo '{"id":"p","deleted":true,"updated_at":1700000000010,"_stamps":{"v":1,"at":"1700000000010@aaaaaaaaaa","from":"1700000000000@aaaaaaaaaa"}}'
  echo '{"id":"p","title":"U","status":"draft","updated_at":1700000000030,"_stamps":{"v":1,"at":"1700000000030@bbbbbbbbbb","from":"1700000000000@aaaaaaaaaa","base":"1700000000000@aaaaaaaaaa","f":{"title":""}}}'
} >> .taskstore/prds.jsonl
expect 0 taskstore doctor; has "$out" "edited beside a deletion"
expect 0 taskstore prd rm p
expect 0 taskstore doctor; case "$out" in *lost_value*) bad "the deletion is not confirmed: $out" ;; esac
expect 3 taskstore prd rm p
cd ..

# Task specs of a PRD that is not here (another branch has it, or it is deleted) are shown.
git init -q orphans && cd orphans && taskstore sync 2>/dev/null
expect 3 taskstore list-task-specs prd-elsewhere
for n in 1 2; do expect 0 taskstore spec add --prd-id prd-elsewhere-0001 --phase-name "step $n" --id s$n --no-check; done
expect 0 taskstore list-task-specs prd-elsewhere-0001; has "$out" "2 task specs"; has "$out" "step 2"; has "$err" "'prd-elsewhere-0001' is not here"
expect 0 taskstore list-task-specs elsewhere; has "$out" "step 1"
expect 0 taskstore list-task-specs elsewhere --json; same "$(json "$out" 'len(d["data"])')" 2; has "$err" '{"note":'
expect 0 taskstore spec add --prd-id prd-elsewhere-0002 --phase-name other --no-check
expect 4 taskstore list-task-specs elsewhere; has "$err" "prd-elsewhere-0002"
# A live PRD of which the word is a part does not hide one that is named in full.
expect 0 taskstore prd add --title here --id prd-elsewhere-0001-new
expect 0 taskstore list-task-specs prd-elsewhere-0001; has "$out" "2 task specs"
expect 0 taskstore list-task-specs 0001-new; has "$out" "No task specs"; same "$err" ""

# A page says of how many it is one.
for n in 2 3; do expect 0 taskstore prd add --title "t$n" --id "p$n"; done
expect 0 taskstore list-prds --limit 2; same "$(sed -n 1p <<<"$out")" "2 of 3 PRDs"
expect 0 taskstore list-prds --limit 3; same "$(sed -n 1p <<<"$out")" "3 PRDs"
expect 0 taskstore list-prds --limit 2 --cursor "$(taskstore list-prds --limit 2 --json | sed 's/.*next_cursor":"\([^"]*\).*/\1/')"; same "$(sed -n 1p <<<"$out")" "1 of 3 PRDs"

# The answer is lost, what was done is not: no word of a failure that invites a second try.
to_full() { "$TASKSTORE" "$@" >/dev/full 2>"$scratch/err"; echo $?; }
same "$(to_full prd add --title full --id full)" 1; has "$(cat "$scratch/err")" "done and will last: created prd full"; has "$(cat "$scratch/err")" "do not repeat"
same "$(to_full prd set full --title fuller --json)" 1; same "$(json "$(cat "$scratch/err")" '"changed prd full" in d["error"]["message"] and "do not repeat" in d["error"]["hint"]')" True
same "$(to_full record add notes t=1 --id n --quiet)" 1; has "$(cat "$scratch/err")" "created notes n"
printf '# List\n\n- [ ] step\n' > list.md
for words in "undo full" "init" "import list.md"; do same "$(to_full $words)" 1; has "$(cat "$scratch/err")" "do not repeat"; done
same "$(to_full list-prds)" 1; lacks "$(cat "$scratch/err")" "repeat"; has "$(cat "$scratch/err")" "see where it goes"
expect 0 taskstore history full; has "$out" "created"

# With --quiet an add prints the bare id, and nothing else does anything.
expect 0 taskstore -q prd add --title quiet --id q1; same "$out" q1
expect 0 taskstore -q prd set q1 --title other; same "$out" ""; expect 0 taskstore prd rm q1 -q; same "$out" ""
expect 0 taskstore -q record add notes t=1; expect 0 taskstore record get notes "$out"

# Values and names that are not what they look like.
expect 2 taskstore prd add --title x --id ' '; has "$err" "blank"
expect 2 taskstore record list '../../x'; has "$err" "no collection's name"; expect 2 taskstore history 'a b' x; expect 2 taskstore record add 'é' t=1
expect 2 taskstore record add notes id=n7; has "$err" "--id n7"; expect 2 taskstore record set notes n id=n7; lacks "$err" "--id"
for verb in 'add notes' 'set notes n'; do expect 2 taskstore record $verb a=5 a=6; has "$err" "'a' stands twice"; done
for bad_json in '{bad' '[1,' '{"a":1}}' '[x] done'; do expect 2 taskstore record set notes n "a=$bad_json"; has "$err" "JSON"; has "$err" "@FILE"; done
expect 0 taskstore record set notes n 'a="[x] done"' 'b={"c":[1]}' --json; has "$out" '"a":"[x] done","b":{"c":[1]}'
expect 0 taskstore prd set full --title '{bad'; expect 0 taskstore show prd full; has "$out" "{bad"
before=$(wc -l < .taskstore/notes.jsonl)
expect 0 taskstore record set notes n absent=; same "$out" "unchanged notes n"
expect 0 taskstore record set notes n t=1 absent=; same "$out" "unchanged notes n"
same "$(wc -l < .taskstore/notes.jsonl)" "$before"
expect 0 taskstore record set notes n b=; same "$out" "changed notes n"

# Hints that lead on.
expect 2 taskstore prd list x; same "$(sed -n 1p <<<"$err")" "taskstore: usage: taskstore prd list"
expect 7 taskstore sql "delete from prds"; has "$err" "only reads"
expect 2 taskstore sql ''; lacks "$err" "prepare()"; has "$err" "no SQL statement"; expect 2 taskstore sql 'select 1; select 2'; has "$err" "more than one"
expect 3 taskstore export -o /nope/x; has "$err" "no folder '/nope'"; has "$err" "make the folder"
truncate -s 67108865 large; expect 2 taskstore prd set full --title @large; has "$err" "64 MiB"; expect 2 taskstore prd set full --content - < large; has "$err" "64 MiB"; rm large
expect 0 taskstore --help; has "$out" "in doubt"; expect 0 taskstore init --help; has "$out" "only this folder"
expect 0 taskstore undo --help; has "$out" "brings it back"; expect 0 taskstore import --help; has "$out" "makes the store"

# History as data: which members, and in words what became of them.
expect 0 taskstore prd set full --title one --status ready; expect 0 taskstore history full --json
same "$(json "$out" 'sorted(d["data"][-1]["changed"])')" "['status', 'title']"; has "$out" '"changes":['; has "$out" 'draft → ready'

# A second undo takes back the first.
expect 0 taskstore undo full; expect 0 taskstore undo full; expect 0 taskstore show prd full; has "$out" "ready"
cd ..

# A settings file that cannot be read: which, where and what to do.
for text in '[x' 'list.limt=3' 'a=[1]' $'\nlist.limit="many"'; do
  echo "$text" > .taskstore/config.toml
  for words in "config show" doctor; do expect 2 taskstore $words; has "$err" ".taskstore/config.toml, line"; lacks "$err" "--help"; done
done
rm .taskstore/config.toml
mkdir empty; expect 0 taskstore -C empty config show; has "$out" "$PWD/.taskstore"
expect 0 taskstore -C / config show; has "$out" "there is none yet"; expect 0 taskstore --store "$PWD/empty" config show; has "$out" "there is none yet"
for url in 'host=h password=geheim user=x' "password = 'ge heim' host=h" 'host=h PASSWORD=geheim'; do
  expect 0 env TASK_STORE_URL="$url" "$TASKSTORE" config show; lacks "$out" "heim"; has "$out" "host=h"
done

finish
