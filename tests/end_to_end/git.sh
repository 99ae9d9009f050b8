#!/usr/bin/env bash
# Clones agree, branches switch, work trees have identities of their own.
. "$(dirname "$0")/begin.sh"
export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@example.org GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@example.org
git init -q -b main one && cd one
expect 0 taskstore sync
expect 0 taskstore prd add --title first --id p1
expect 0 taskstore prd add --title second --id p2
git add .taskstore && git commit -qm one
hash=$(taskstore state --hash)
git clone -q . ../two && same "$(cd ../two && taskstore state --hash)" "$hash"
expect 0 taskstore -C ../two list-prds --status draft; has "$out" "first"

git checkout -qb other && expect 0 taskstore prd set p1 --title elsewhere && git commit -qam other
expect 0 taskstore show prd p1; has "$out" "elsewhere"
git checkout -q main && expect 0 taskstore show prd p1; has "$out" "first"
git checkout -q other && expect 0 taskstore show prd p1; has "$out" "elsewhere"

# A merge without a driver leaves both sides' lines between markers: different members of one record both survive.
git checkout -q main && expect 0 taskstore prd set p1 --description ours && git commit -qam ours
git merge -q other >/dev/null 2>&1
expect 0 taskstore sync
expect 0 taskstore show prd p1; has "$out" "elsewhere"; has "$out" "ours"
grep -q '^<<<<<<<' .taskstore/prds.jsonl && bad "markers were left"
git add .taskstore && git commit -qm merged
lacks "$err" "lost"

# A value that lost is told at the sync after the merge, and only a person settles it.
git checkout -qb theirs && expect 0 taskstore prd set p2 --title 'of theirs' && git commit -qam theirs
git checkout -q main && expect 0 taskstore prd set p2 --title 'of ours' && git commit -qam ours
git merge -q theirs >/dev/null 2>&1
expect 0 taskstore doctor; has "$out" "merge_marker"; has "$out" "run 'taskstore sync'"; lacks "$out" "clash"
for i in 1 2; do expect 0 taskstore sync; has "$err" "1 value has lost"; has "$err" "taskstore doctor"; done
expect 0 taskstore sync --json; has "$out" '"lost_values":1,"clashes":0'
expect 0 taskstore doctor; has "$out" "of theirs"
expect 0 taskstore prd set p2 --title 'of both'; expect 0 taskstore sync; same "$err" ""
git add .taskstore && git commit -qm settled

# The earlier program's lines of one time: the larger value by bytes stands, and sync does not stop at it.
line() { echo '{"id":"old","title":"'"$1"'","status":"draft","created_at":1,"updated_at":5}'; }
{ line alpha; line beta; } >> .taskstore/prds.jsonl
for i in 1 2; do expect 0 taskstore sync; has "$err" "1 value has lost"; done
expect 0 taskstore show prd old; has "$out" beta
expect 0 taskstore doctor; has "$out" "same time"; has "$out" "alpha"
same "$(grep -c lost_value <<<"$out")" 1
# Between merge markers the same is a clash: they stay, and so does the exit code, until somebody chooses.
{ echo '<<<<<<< ours'; line gamma; echo =======; line delta; echo '>>>>>>> theirs'; } >> .taskstore/prds.jsonl
for i in 1 2; do expect 4 taskstore sync; has "$err" "same time"; has "$err" "doctor"; done
grep -q '^<<<<<<<' .taskstore/prds.jsonl || bad "the clash lost its markers"
expect 0 taskstore doctor; has "$out" "set the members that clash"
expect 0 taskstore prd set old --title gamma; expect 0 taskstore sync; has "$err" "git add"
grep -q '^<<<<<<<' .taskstore/prds.jsonl && bad "the markers of a settled clash stayed"
expect 0 taskstore sync; lacks "$err" "lost"
# Half a block may lack a side.
{ echo '<<<<<<< ours'; line epsilon; } >> .taskstore/prds.jsonl
expect 4 taskstore sync; has "$err" "1 block of merge markers"; expect 0 taskstore doctor; has "$out" "editor"
sed -i '/^<<<<<<</d' .taskstore/prds.jsonl; expect 0 taskstore sync
expect 0 taskstore prd set old --title zeta
git add .taskstore && git commit -qm old

# Records of different branches, met by caches of different ages, never take each other's place.
git checkout -qb left && expect 0 taskstore prd add --title 'only left' --id l1 && git add -A . && git commit -qm left
git checkout -q main && expect 0 taskstore workflow add --name w1 --id w1 && git add -A . && git commit -qm right
git checkout -q left && rm -f .taskstore/store.db* && expect 0 taskstore list-prds; has "$out" "only left"
git checkout -q main && expect 0 taskstore workflow list; has "$out" "w1"
expect 3 taskstore show prd l1
expect 0 taskstore prd add --title 'main again' --id m1
git add -A . && git commit -qm more && git checkout -q left
expect 0 taskstore prd list; has "$out" "only left"
case "$out" in *"main again"*) bad "a record of another branch is listed" ;; esac
expect 3 taskstore show workflow w1
expect 0 taskstore state --hash; kept=$out
rm -f .taskstore/store.db* && expect 0 taskstore state --hash; same "$out" "$kept"
git checkout -q main

git worktree add -q ../three && cd ../three && expect 0 taskstore prd add --title third
[ -n "$(find ../one/.git/worktrees -name 'replica-*')" ] || bad "the work tree has no identity of its own"
finish
