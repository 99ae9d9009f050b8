#!/usr/bin/env bash
# log.sh PROGRAM DRIVER: plans as git keeps them: log, diff, textconv, --at, and histories that go on in git.
. "$(dirname "$0")/begin.sh"
driver=$(realpath "$2")
export TASKSTORE_HOME="$scratch/home" TMPDIR="$scratch/tmp" GIT_CONFIG_GLOBAL="$scratch/gitconfig" GIT_CONFIG_NOSYSTEM=1
mkdir "$TMPDIR"
git config --global user.name Anna
git config --global user.email anna@localhost
git config --global init.defaultBranch main
git config --global protocol.file.allow always
git config --global diff.taskstore.textconv "'$TASKSTORE' textconv"
git config --global merge.taskstore-merge.driver "'$driver' %O %A %B %L %P"
json() { python3 -c 'import json,sys; d=json.loads(sys.argv[1])["data"]; print(eval(sys.argv[2]))' "$out" "$1"; }
commit() { git add -A && git commit -qm "$1"; }
begin() {
  cd "$scratch" && rm -rf repo && git init -q repo && cd repo || exit 1
  taskstore sync >/dev/null 2>&1
  echo '*.jsonl merge=taskstore-merge diff=taskstore -text' >.gitattributes
  taskstore -q prd add --title First --id p1 >/dev/null && commit "Begin the plan"
}

# Nothing committed yet, and no repository.
cd "$scratch" && mkdir none && cd none && taskstore -q init
expect 3 taskstore log; has "$err" "in no git repository"
expect 3 taskstore diff; has "$err" "in no git repository"
expect 3 taskstore list-prds --at HEAD; has "$err" "in no git repository"
git init -q "$scratch/unborn" && cd "$scratch/unborn" && taskstore -q sync
expect 0 taskstore log; same "$out" "No commit changed the plan"
expect 0 taskstore diff; same "$out" "No record changed"
taskstore -q prd add --title First --id p1 >/dev/null
expect 0 taskstore diff; has "$out" "created prd p1  First  (tester, "
expect 0 taskstore log; has "$out" "not committed"
expect 3 taskstore diff HEAD; has "$err" "git knows no revision 'HEAD'"

# Created, changed, deleted, created again; what is not committed comes first.
begin
taskstore -q prd set p1 --status ready --title Second
taskstore -q prd add --title Gone --id p2 >/dev/null && commit "Two changes"
taskstore -q prd rm p2 && commit "Away with it"
taskstore -q prd add --title Back --id p2 >/dev/null
expect 0 taskstore log
has "$out" "not committed
  created again prd p2  Back  (tester, "
has "$out" "Anna  Away with it
  deleted prd p2  Gone  (tester, "
has "$out" "Anna  Two changes
  changed prd p1  Second  (tester, "
has "$out" "
      title: First → Second
      status: draft → ready
  created prd p2  Gone  (tester, "
has "$out" "Anna  Begin the plan
  created prd p1  First"
expect 0 taskstore log --json
same "$(json '[(e["commit"] or {}).get("subject") for e in d]')" "[None, 'Away with it', 'Two changes', 'Begin the plan']"
same "$(json '[(c["action"], c["kind"], c["id"]) for e in d for c in e["changes"]]')" \
  "[('created_again', 'prd', 'p2'), ('deleted', 'prd', 'p2'), ('changed', 'prd', 'p1'), ('created', 'prd', 'p2'), ('created', 'prd', 'p1')]"
same "$(json '[m for m in d[2]["changes"][0]["members"] if m["name"]=="status"]')" "[{'name': 'status', 'from': 'draft', 'to': 'ready'}]"
same "$(json '(d[2]["changes"][0]["edits"], d[2]["changes"][0]["by"], d[2]["lines_added"], d[2]["lines_gone"])')" "(1, ['tester'], 2, 0)"
same "$(json 'sorted(d[1]["commit"])')" "['at', 'author', 'begins_clone', 'email', 'id', 'parents', 'subject']"
expect 0 taskstore log --limit 1; has "$out" "Away with it"; lacks "$out" "Two changes"; has "$err" "more commits"
expect 0 taskstore log --limit 3; lacks "$err" "more commits"
expect 0 taskstore log --since HEAD~1; has "$out" "Away with it"; lacks "$out" "Two changes"
expect 0 taskstore log --since HEAD; lacks "$out" "Away"; has "$out" "not committed"
expect 0 taskstore diff HEAD~2 HEAD; has "$out" "changed prd p1  Second"; lacks "$out" "p2"
expect 0 taskstore diff HEAD~2; has "$out" "created prd p2  Back"
expect 0 taskstore diff HEAD HEAD~2; has "$out" "title: Second → First"
expect 0 taskstore diff HEAD~1 HEAD --json
same "$(json '(d["from"], d["to"])')" "('$(git rev-parse HEAD~1)', '$(git rev-parse HEAD)')"
expect 0 taskstore diff --json; same "$(json '(d["from"], d["to"])')" "('$(git rev-parse HEAD)', None)"
# Lines that go, as in a revert of a creation before the merge driver sees it.
git checkout -q -- .taskstore && git checkout -q HEAD~2 -- .taskstore
expect 0 taskstore diff; has "$out" "title: Second → First"
git reset -q --hard

# --at: the answers of a revision, and nothing of the work tree is touched.
begin
taskstore -q collection add notes --schema <(echo '{"type":"object","properties":{"text":{"type":"string"}}}')
taskstore -q record add notes --id n1 text=old && commit notes
taskstore -q prd set p1 --title New && taskstore -q record set notes n1 text=new && taskstore -q collection rm notes && commit new
before=$(find .taskstore -type f ! -name 'store.db*' -exec sha256sum {} + | sort)
expect 0 taskstore list-prds --at HEAD~1; has "$out" "First"
expect 0 taskstore prd list --at HEAD~1 --json; same "$(json 'd[0]["title"]')" First
expect 0 taskstore show prd p1 --at HEAD~1; has "$out" "First"
expect 0 taskstore prd show p1 --at main; has "$out" "New"
expect 0 taskstore record list notes --at HEAD~1 --json; same "$(json '[n["text"] for n in d]')" "['old']"
expect 0 taskstore show notes n1 --at HEAD~1; has "$out" "old"
expect 2 taskstore show notes n1 --at HEAD
expect 0 taskstore record get notes n1 --at HEAD~1; has "$out" '"old"'
expect 0 taskstore prd list --count --at HEAD~1; same "$out" 1
expect 0 taskstore list-executions --at HEAD; expect 0 taskstore stats --at HEAD~1
expect 0 taskstore export notes --at HEAD~1; has "$out" '"old"'
expect 3 taskstore list-prds --at "$(git rev-list --max-parents=0 HEAD)~1"
same "$(taskstore state --hash --at HEAD)" "$(taskstore state --hash)"
[ "$(taskstore state --hash --at HEAD~1)" != "$(taskstore state --hash)" ] || bad "one hash for two states"
same "$(find .taskstore -type f ! -name 'store.db*' -exec sha256sum {} + | sort)" "$before"
same "$(git status --porcelain)" ""
same "$(ls -A "$TMPDIR")" ""
# Damage of today's file is none of yesterday's, and the other way round.
printf '{"id":' >>.taskstore/prds.jsonl
expect 0 taskstore list-prds --at HEAD; has "$out" "New"; lacks "$err" "damaged"
expect 0 taskstore diff; has "$out" "torn tail"
printf '\n}\n' >>.taskstore/prds.jsonl
expect 0 taskstore diff; has "$out" "damaged line came: prds.jsonl:3: "
expect 0 taskstore diff --json; same "$(json '[(o["what"], o["added"]) for o in d["odd_lines"]]')" "[('damaged_line', True), ('damaged_line', True)]"
git checkout -q .
# The folder goes away when the reader of the output, or a signal, ends the program.
for i in $(seq 300); do echo "{\"id\":\"many$i\",\"title\":\"$(printf '%0500d' 7)\",\"status\":\"draft\",\"updated_at\":$i}"; done >>.taskstore/prds.jsonl
commit many
for _ in 1 2 3; do
  taskstore prd list --at HEAD --limit 300 --json 2>/dev/null | head -c 1 >/dev/null
  same "$(ls -A "$TMPDIR")" ""
done
mkdir "$TMPDIR/taskstore-at-dead00" && touch "$TMPDIR/taskstore-at-dead00/prds.jsonl"
expect 0 taskstore list-prds --at HEAD
has "$(ls -A "$TMPDIR")" taskstore-at-dead00   # one that may be in the making is left alone
touch -d '2 minutes ago' "$TMPDIR/taskstore-at-dead00"
expect 0 taskstore list-prds --at HEAD; same "$(ls -A "$TMPDIR")" ""
mkfifo pipe && exec 9<>pipe
"$TASKSTORE" prd list --at HEAD --limit 300 --json >pipe &
until [ -n "$(ls -A "$TMPDIR"/*/store.db 2>/dev/null)" ]; do kill -0 $! || break; done
kill -TERM $!; wait $!; same $? 143
same "$(ls -A "$TMPDIR")" ""
exec 9<&- && rm pipe
expect 1 env TMPDIR=/nonexist "$TASKSTORE" list-prds --at HEAD; has "$err" "TMPDIR"

# Revisions with odd names.
begin
expect 2 taskstore list-prds --at -x; has "$err" "not a revision"
expect 2 taskstore list-prds --at --upload-pack=evil
expect 2 taskstore diff -- -x
expect 2 taskstore log --since=--all
expect 2 taskstore log --since=
expect 3 taskstore list-prds --at 'no such thing'; has "$err" "git log --oneline"
expect 2 taskstore list-prds --at 'HEAD^{tree}'; has "$err" "is a tree"
git tag blob "$(git hash-object -w .gitattributes)" && git tag -a -m x annotated blob && git tag -a -m x good HEAD
expect 2 taskstore diff blob; has "$err" "is a blob"
expect 2 taskstore diff annotated; has "$err" "is a tag"
expect 0 taskstore diff good
expect 2 taskstore diff a..b; has "$err" "taskstore diff A B"
expect 2 taskstore diff $'HEAD\nHEAD'
git branch 'ünï/cödé'; expect 0 taskstore list-prds --at 'ünï/cödé'; has "$out" First
git branch first HEAD; git branch ./x 2>/dev/null; expect 0 taskstore diff 'HEAD@{0}'

# Merges tell what they decided themselves, and nothing twice.
begin
git checkout -qb other
taskstore -q prd set p1 --status ready && taskstore -q prd add --title Theirs --id p2 >/dev/null && commit "Their work"
git checkout -q main
taskstore -q prd set p1 --title Ours && commit "Our work"
git merge -q -m "Merge other" other || bad "a merge failed"
expect 0 taskstore log; lacks "$out" "Merge other"
same "$(taskstore log --json | python3 -c 'import json,sys; print(sorted((c["action"], c["id"]) for e in json.load(sys.stdin)["data"] for c in e["changes"]))')" \
  "[('changed', 'p1'), ('changed', 'p1'), ('created', 'p1'), ('created', 'p2')]"
git checkout -q other~0 && git checkout -qB third
taskstore -q prd set p1 --title Third && commit "Third title"
git checkout -q main
taskstore -q prd set p1 --title Fourth && commit "Fourth title"
git merge -q -m "Merge third" third || bad "a merge failed"
expect 0 taskstore log
has "$out" "Merge third
  changed prd p1  Fourth
      lost title: Third by tester"
# What a merge commit changes by hand is told there.
git checkout -qb side HEAD~1 && taskstore -q prd add --title Side --id p5 >/dev/null && commit side
git checkout -q main && git merge -q --no-commit side && taskstore -q prd set p1 --title ByHand && git add -A && git commit -qm "Merge side by hand"
expect 0 taskstore log --limit 1; has "$out" "Merge side by hand
  changed prd p1  ByHand"; lacks "$out" p5
# Octopus.
for name in a b; do git checkout -q main~1 && git checkout -qb oct-$name && taskstore -q prd add --title $name --id "o$name" >/dev/null && commit "add $name"; done
git checkout -q main && git merge -q -m octopus oct-a 2>/dev/null && git merge -q -m octopus2 oct-b
expect 0 taskstore log --limit 30; lacks "$out" octopus; has "$out" "created prd oa"

# A batch that a merge of hand completes: its lines count from then on.
begin
printf '%s\n' '{"title":"x","id":"b1"}' '{"title":"y","id":"b2"}' >rows.jsonl
taskstore -q import rows.jsonl --to things && rm rows.jsonl && commit "two at once"
head -1 .taskstore/things.jsonl >half && tail -1 .taskstore/things.jsonl >rest
cp half .taskstore/things.jsonl && commit half
expect 0 taskstore log --limit 1; has "$out" "dropped things b1"; has "$out" "dropped things b2"
cat half rest >.taskstore/things.jsonl
expect 0 taskstore diff; has "$out" "created things b1"; has "$out" "created things b2"
rm half rest

# Linked work trees, packed and bare repositories, shallow and partial clones, subfolders, renamed stores, submodules.
begin
taskstore -q prd set p1 --title Second && commit second
git gc -q --prune=now
expect 0 taskstore log; has "$out" "title: First → Second"
git worktree add -q ../linked -b linked 2>/dev/null
expect 0 taskstore -C ../linked log --limit 1; has "$out" "title: First → Second"
expect 0 taskstore -C ../linked list-prds --at main~1; has "$out" First
git worktree remove --force ../linked
git clone -q --bare . ../bare.git
expect 0 taskstore -C ../bare.git log; has "$out" "title: First → Second"
expect 0 taskstore -C ../bare.git list-prds --at HEAD~1; has "$out" First
expect 0 taskstore -C ../bare.git diff HEAD~1 HEAD; has "$out" "title: First → Second"
expect 2 taskstore -C ../bare.git diff; has "$err" "two revisions"
git clone -q --depth 1 "file://$scratch/bare.git" ../shallow
expect 0 taskstore -C ../shallow log; has "$out" "shallow"; lacks "$out" "created"
expect 0 taskstore -C ../shallow log --json; same "$(json '[e["commit"]["begins_clone"] for e in d]')" "[True]"
expect 3 taskstore -C ../shallow list-prds --at HEAD~1; has "$err" "shallow"
git -C ../bare.git config uploadpack.allowFilter true; git -C ../bare.git config uploadpack.allowAnySHA1InWant true
git clone -q --filter=blob:none "file://$scratch/bare.git" ../partial
expect 0 taskstore -C ../partial log; has "$out" "title: First → Second"
git clone -q --filter=blob:none "file://$scratch/bare.git" ../cut && mv ../bare.git ../away.git
expect 1 taskstore -C ../cut list-prds --at HEAD~1; same "$(ls -A "$TMPDIR")" ""
mv ../away.git ../bare.git
git init -q ../super && git -C ../super submodule --quiet add "$scratch/bare.git" "sub mödule" 2>/dev/null
expect 0 taskstore -C "../super/sub mödule" log --limit 1; has "$out" "title: First → Second"
rm -rf ../bare.git ../shallow ../partial ../cut ../super
git mv .taskstore "plän s" && commit "Another name"
# The log and histories go on under the earlier name, and a rename by itself is no change of a record.
expect 0 taskstore --store "plän s" log; has "$out" "title: First → Second"; has "$out" "Begin the plan"; lacks "$out" "Another name"
expect 0 taskstore --store "plän s" log --since HEAD~1; lacks "$out" "p1"
expect 0 taskstore --store "plän s" log --json; same "$(json 'len(d)')" 2
git checkout -qb renamed && git mv "plän s" plans && taskstore --store plans -q prd set p1 --title Third && commit "Renamed again, and edited"
expect 0 taskstore --store plans log --limit 1; has "$out" "title: Second → Third"; lacks "$out" created
git checkout -qb beside HEAD~1 && taskstore --store "plän s" -q prd set p1 --status ready && commit "Beside it"
git checkout -q renamed && git merge -q -m "With it" beside || bad "a merge with a rename failed"
expect 0 taskstore --store plans log
for word in "status: draft → ready" "title: Second → Third" "title: First → Second"; do same "$(grep -c "$word" <<<"$out")" 1; done
same "$(grep -c "created prd p1" <<<"$out")" 1
grep '"title":"Third"' plans/prds.jsonl | tail -1 >kept && mv kept plans/prds.jsonl && commit "forgotten"
expect 0 taskstore --store plans history p1 --git; has "$out" "title: First → Second"
git checkout -qf main; rm -rf plans
expect 0 taskstore --store "plän s" list-prds --at HEAD; has "$out" Second
expect 3 taskstore --store "plän s" list-prds --at HEAD~1; has "$err" "it has a store at '.taskstore'"
expect 0 taskstore --store "plän s" diff HEAD~1 HEAD; has "$err" "compared with an empty plan"; has "$out" created
mkdir -p deep/er && taskstore --store "$PWD/deep/er" -q init && taskstore --store deep/er -q prd add --title Deep --id d1 >/dev/null && commit deep
expect 0 taskstore --store deep/er log; has "$out" "created prd d1  Deep"; lacks "$out" p1
expect 0 taskstore -C deep --store er list-prds --at HEAD; has "$out" Deep
git clone -q --bare . ../bare.git
expect 0 taskstore -C ../bare.git --store deep/er log; has "$out" "created prd d1  Deep"
expect 0 taskstore -C ../bare.git --store "plän s" list-prds --at HEAD; has "$out" Second

# Line ends of another system.
begin
git config core.autocrlf true && rm .gitattributes && git add -A && git commit -qm "no attributes"
rm -rf .taskstore/*.jsonl && git checkout -q .
has "$(head -c 400 .taskstore/prds.jsonl | od -c)" '\r'
expect 0 taskstore diff; same "$out" "No record changed"
taskstore -q prd set p1 --title CRLF
expect 0 taskstore diff; has "$out" "title: First → CRLF"; lacks "$out" damaged
commit crlf 2>/dev/null
same "$(taskstore state --hash --at HEAD)" "$(taskstore state --hash)"

# git diff and git log -p through textconv.
begin
taskstore -q prd set p1 --status ready --content - <<<$'# Plan\n\nline one\nline two'
git add -A && git commit -qm content
taskstore -q prd set p1 --content - <<<$'# Plan\n\nline one\nline three'
expect 0 git diff; has "$out" "-    | line two"; has "$out" "+    | line three"; lacks "$out" "_stamps"
expect 0 git log -p -1; has "$out" "+  status: ready"; has "$out" "-  status: draft"
expect 0 taskstore textconv .taskstore/prds.jsonl
has "$out" "prd p1
  title: First
  created_at: 20"
has "$out" "  content:
    | # Plan
    |
    | line one"
expect 0 taskstore textconv /dev/null; same "$out" ""
expect 3 taskstore textconv missing.jsonl
printf '{"id":"b","updated_at":2,"title":"\\u001b[31mred"}\n<<<<<<< ours\nnot json\n{"id":"a","z":1,"b":{"c":2}}' >odd.jsonl
expect 0 taskstore textconv odd.jsonl
same "$out" 'odd a
  b: {"c":2}
  z: 1
odd b
  title: "\u001b[31mred"
  edited: 1970-01-01T00:00:00.002Z
<<<<<<< ours
not json'
cp odd.jsonl "$scratch/aB3x_executions.jsonl"; expect 0 taskstore textconv "$scratch/aB3x_executions.jsonl"; has "$out" "execution a"
expect 0 taskstore textconv odd.jsonl --json; has "$(json 'd["text"]')" "odd a"

# A history goes on in git where the file has forgotten it.
begin
taskstore -q prd set p1 --status ready && commit ready
taskstore -q prd set p1 --title Second && taskstore -q prd add --title Other --id p2 >/dev/null && commit second
taskstore -q prd rm p2 && commit removed
expect 0 taskstore history p1; lacks "$out" "LAST IN COMMIT"; whole=$(sed 1d <<<"$out")
held=$(git rev-parse HEAD)
grep -v '"p2"' .taskstore/prds.jsonl | tail -1 >kept && mv kept .taskstore/prds.jsonl
expect 0 taskstore history p1; has "$out" "LAST IN COMMIT"; has "$out" "${held:0:8}"; has "$out" "title: First → Second"
commit forgotten
expect 0 taskstore log --limit 1; has "$out" "no record changed: 0 lines came, 4 lines went"
taskstore -q prd set p1 --title Third && commit third
expect 0 taskstore history p1; has "$out" "status: draft → ready"
expect 0 taskstore history p1 --json
same "$(json '[(v["action"], v["commit"]) for v in d]')" "[('created', '$held'), ('changed', '$held'), ('changed', None), ('changed', None)]"
expect 3 taskstore history p2; has "$err" "--git"
expect 0 taskstore history p2 --git; has "$out" "deleted"; has "$out" "created"
expect 0 taskstore history prd p2 --git; has "$out" "deleted"
expect 3 taskstore history nothing --git; has "$err" "git has no line"
expect 0 taskstore history p1 --git
# Without git the file's own versions are told, with a note.
expect 0 env PATH=/nonexist "$TASKSTORE" history p1; has "$err" "git"; has "$out" "title: Second → Third"
expect 3 env PATH=/nonexist "$TASKSTORE" history p1 --git
expect 3 env PATH=/nonexist "$TASKSTORE" log; has "$err" "install git"
# Lines without stamps, which their program rewrote in place: every version is read.
begin
echo '{"id":"t1","title":"one","updated_at":1000}' >.taskstore/prds.jsonl && commit one
echo '{"id":"t1","title":"two","updated_at":2000}' >.taskstore/prds.jsonl && commit two
echo '{"id":"t1","title":"six","updated_at":3000}' >.taskstore/prds.jsonl && commit six
expect 0 taskstore history t1; lacks "$out" "one"
expect 0 taskstore history t1 --git; has "$out" "title: one → two"; has "$out" "title: two → six"

# A compaction changes no record, and histories stay whole.
begin
printf '%s\n' '{"title":"x","id":"b1"}' '{"title":"y","id":"b2"}' >rows.jsonl
taskstore -q import rows.jsonl --to things && rm rows.jsonl
for i in 1 2 3; do taskstore -q prd set p1 --title "Title $i"; taskstore -q record set things b1 n=$i; done && commit edits
taskstore -q prd rm p1 && taskstore -q prd add --id p1 --title Again >/dev/null && taskstore -q prd set p1 --status ready && commit again
versions() { taskstore history "$1" --json | python3 -c 'import json,sys; print([(v["action"], v["changes"]) for v in json.load(sys.stdin)["data"]])'; }
p1=$(versions p1) b1=$(versions b1) hash=$(taskstore state --hash)
expect 0 taskstore compact
same "$(taskstore state --hash)" "$hash"; same "$(taskstore state --hash --at HEAD)" "$hash"
expect 0 taskstore diff; same "$out" "No record changed"
same "$(versions p1)" "$p1"; same "$(versions b1)" "$b1"
commit compacted
expect 0 taskstore log --limit 1; has "$out" "compacted
  no record changed"
same "$(versions p1)" "$p1"; same "$(versions b1)" "$b1"
taskstore -q record set things b1 n=4 && commit four
expect 0 taskstore diff HEAD~2 HEAD; same "$(sed 's/(.*//' <<<"$out")" "changed things b1  x  
    n: 3 → 4"

finish
