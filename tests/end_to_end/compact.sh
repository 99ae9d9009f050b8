#!/usr/bin/env bash
# compact.sh PROGRAM DRIVER: compaction beside edits in other clones, merged by real git; beside writers of ours and of
# other programs; killed at any moment.
. "$(dirname "$0")/begin.sh"
driver=$(realpath "$2")
export GIT_CONFIG_GLOBAL=$scratch/gitconfig
git config --global user.name tester
git config --global user.email tester@localhost
git config --global merge.taskstore-merge.driver "'$driver' %O %A %B %L %P"
git config --global init.defaultBranch main
git config --global protocol.file.allow always

ledger=.taskstore/prds.jsonl
lines() { wc -l <"${1:-$ledger}" | tr -d ' '; }
commit() { git add -A && git commit -qm "$1"; }
title() { taskstore show prd p1 --json | sed 's/.*"title":"\([^"]*\)".*/\1/'; }
status() { taskstore show prd p1 --json | sed 's/.*"status":"\([^"]*\)".*/\1/'; }
edits() {
  for i in 1 2 3; do
    taskstore prd set p1 --title "title $i" >/dev/null
    taskstore prd set p2 --description "text $i" >/dev/null
  done
}

# Two clones of one plan with a history.
begin() {
  cd "$scratch" && rm -rf origin.git here there && git init -q --bare origin.git && git clone -q origin.git here 2>/dev/null
  cd here && taskstore sync >/dev/null 2>&1
  echo '.taskstore/*.jsonl merge=taskstore-merge -text' >.gitattributes
  taskstore prd add --title first --id p1 >/dev/null
  taskstore prd add --title second --id p2 >/dev/null
  edits
  commit base && git push -q origin HEAD:main
  cd "$scratch" && git clone -q origin.git there 2>/dev/null && cd there && taskstore sync >/dev/null
  cd "$scratch/here" || exit 1
}

# What it would save is told, and nothing is changed; then it is done, and says the same.
begin
sum=$(sha256sum <$ledger); hash=$(taskstore state --hash)
expect 0 taskstore compact --dry-run; has "$out" "would save 6 lines"
same "$(sha256sum <$ledger)" "$sum"
expect 0 taskstore compact --json; has "$out" '"kind":"compact_report"' ; has "$out" '"lines_after":2'
same "$(lines)" 2
same "$(taskstore state --hash)" "$hash"
expect 0 taskstore sync --rebuild
same "$(taskstore state --hash)" "$hash"
sum=$(sha256sum <$ledger)
expect 0 taskstore compact; has "$out" "nothing to save"
same "$(sha256sum <$ledger)" "$sum"
git commit -qam compacted
expect 0 taskstore history p1; has "$out" "title 1"  # from git
expect 3 taskstore undo p1
taskstore prd set p1 --title after >/dev/null
expect 0 taskstore undo p1
same "$(title)" "title 3"

# Lines that are not in HEAD stay.
begin
taskstore prd set p1 --title uncommitted >/dev/null
taskstore compact 2>notes >/dev/null; has "$(cat notes)" "1 line is not in HEAD"
same "$(lines) $(title)" "3 uncommitted"

# Edits in another clone survive, and win or lose as they would have, whoever merges.
for who in here there; do
  begin
  taskstore prd set p1 --status ready >/dev/null && commit ready
  expect 0 taskstore compact
  taskstore prd set p2 --title ours >/dev/null && commit compacted
  cd ../there && taskstore prd set p1 --title theirs >/dev/null
  taskstore prd set p2 --title theirs >/dev/null && commit theirs
  if [ $who = here ]; then from=there; else from=here; fi
  cd "../$who" && expect 0 git pull -q --no-rebase --no-edit "../$from" main
  same "$(title) $(status)" "theirs ready"
  expect 0 taskstore conflicts; has "$out" ours; has "$out" theirs
  lacks "$(cat $ledger)" "<<<<"
  expect 0 taskstore doctor; lacks "$out" damaged
done

# Clones that compact apart write the same bytes, and git has nothing to merge.
begin
expect 0 taskstore compact && commit compacted
cd ../there && expect 0 taskstore compact && commit compacted-too
same "$(sha256sum <$ledger)" "$(sha256sum <../here/$ledger)"
taskstore prd set p1 --title more >/dev/null && commit more && taskstore compact >/dev/null && commit again
expect 0 git pull -q --no-rebase --no-edit ../here main
lacks "$(cat $ledger)" "<<<<"
same "$(title)" more
expect 0 taskstore compact
same "$(lines) $(title)" "2 more"

# Deleted, compacted away, and edited in a clone that was away: it stays deleted, and that is told.
begin
taskstore prd rm p1 >/dev/null && commit gone
expect 0 taskstore compact --horizon 0d && commit compacted
lacks "$(cat $ledger)" '"p1"'
cd ../there && taskstore prd set p1 --title late >/dev/null && commit late
git pull --no-rebase --no-edit ../here main >merge.txt 2>&1 || bad "the merge failed"
has "$(cat merge.txt)" "longer ago than compactions keep deletions"
expect 3 taskstore show prd p1
expect 0 taskstore conflicts; has "$out" late

# Without git nothing keeps what is dropped.
cd "$scratch" && rm -rf bare && mkdir bare
expect 0 taskstore --store "$scratch/bare" init
for i in 1 2 3; do taskstore --store "$scratch/bare" record add notes n=$i --id a --quiet >/dev/null 2>&1 || taskstore --store "$scratch/bare" record set notes a n=$i --quiet >/dev/null; done
expect 3 taskstore --store "$scratch/bare" compact
same "$(lines bare/notes.jsonl)" 3
expect 0 taskstore --store "$scratch/bare" compact --without-git
same "$(lines bare/notes.jsonl)" 1
expect 2 taskstore --store "$scratch/bare" compact --horizon soon

# Writers of ours and programs that know only the file's own lock lose nothing beside it.
begin
stop=$scratch/stop; rm -f "$stop"
(
  i=0
  while [ ! -e "$stop" ]; do
    i=$((i + 1))
    "$TASKSTORE" prd add --title w --id "w$i" --quiet >/dev/null 2>&1 && echo "w$i" >>"$scratch/acknowledged"
    "$TASKSTORE" prd set "w$i" --title w2 --quiet >/dev/null 2>&1
  done
) &
writer=$!
python3 - "$ledger" "$stop" "$scratch/appended" <<'PY' &
import fcntl, json, os, sys
path, stop, told = sys.argv[1:]
i = 0
while not os.path.exists(stop) and i < 20000:
    i += 1
    with open(path, "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        line = {"id": "x%d" % i, "title": "x", "status": "draft", "created_at": 1700000000000, "updated_at": 1700000000000 + i}
        file.write((json.dumps(line) + "\n").encode())
        file.flush()
        os.fsync(file.fileno())
    with open(told, "a") as out:
        out.write("x%d\n" % i)
PY
foreign=$!
: >"$scratch/acknowledged"
for ((round = 0; round < 15; ++round)); do
  git add -A && git commit -qm "round $round" >/dev/null 2>&1
  "$TASKSTORE" compact --quiet >/dev/null 2>&1 || bad "compaction $round failed"
done
touch "$stop"
wait "$writer" "$foreign"
expect 0 taskstore sync --quiet
taskstore prd list --json --limit 100000 >"$scratch/listed"
python3 - "$scratch/listed" "$scratch/acknowledged" "$scratch/appended" <<'PY' || bad "acknowledged records are missing"
import json, sys
listed = {r["id"] for r in json.load(open(sys.argv[1]))["data"]}
told = {line.strip() for name in sys.argv[2:] for line in open(name) if line.strip()}
print(len(told), "acknowledged,", len(listed), "there")
missing = told - listed
if missing or not told: sys.exit("missing: %s" % sorted(missing)[:5])
PY
git add -A && git commit -qm all && expect 0 taskstore compact
hash=$(taskstore state --hash)

# Killed at any moment: the old file or the new one, whole.
seed=${SEED:-$RANDOM}
RANDOM=$seed
echo "seed $seed"
for ((round = 0; round < 25; ++round)); do
  for i in 1 2; do taskstore prd set p2 --description "round $round $i" >/dev/null; done
  commit "round $round"
  hash=$(taskstore state --hash)
  "$TASKSTORE" compact --quiet >/dev/null 2>&1 &
  pid=$!
  read -rt "0.0$((RANDOM % 60 + 10))" <> <(:) || true
  kill -KILL "$pid" 2>/dev/null
  wait "$pid" 2>/dev/null
  same "$(taskstore state --hash)" "$hash"
done
expect 0 taskstore compact
same "$(taskstore state --hash)" "$hash"
finish
