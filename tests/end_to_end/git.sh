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
expect 0 taskstore doctor; has "$out" "merged by the rule"; has "$out" "git add"; lacks "$out" "clash"
for i in 1 2; do expect 0 taskstore sync; has "$err" "1 value lost to"; has "$err" "taskstore conflicts"; done
expect 0 taskstore sync --json; has "$out" '"lost_values":1,"clashes":0'
expect 0 taskstore doctor; has "$out" "of theirs"
expect 0 taskstore prd set p2 --title 'of both'; git add .taskstore; expect 0 taskstore sync; same "$err" ""
git add .taskstore && git commit -qm settled

# The earlier program's lines of one time: the larger value by bytes stands, and sync does not stop at it.
line() { echo '{"id":"old","title":"'"$1"'","status":"draft","created_at":1,"updated_at":5}'; }
{ line alpha; line beta; } >> .taskstore/prds.jsonl
for i in 1 2; do expect 0 taskstore sync; has "$err" "1 value lost to"; done
expect 0 taskstore show prd old; has "$out" beta
expect 0 taskstore doctor; has "$out" "same time"; has "$out" "alpha"
same "$(grep -c lost_value <<<"$out")" 1
# Between merge markers the same is a clash: they stay, and so does the exit code, until somebody chooses.
{ echo '<<<<<<< ours'; line gamma; echo =======; line delta; echo '>>>>>>> theirs'; } >> .taskstore/prds.jsonl
for i in 1 2; do expect 4 taskstore sync; has "$err" "same time"; has "$err" "taskstore conflicts"; done
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

# A criss-cross merge under diff3: git puts the merge of the bases, with longer markers, into the base of the block.
for style in diff3 zdiff3; do
  cd "$scratch" && rm -rf left right && git init -q -b main left && cd left
  expect 0 taskstore sync; expect 0 taskstore prd add --id p --title start
  git add .taskstore && git commit -qm start && git clone -q . ../right
  for side in left right; do
    cd "$scratch/$side" && git config merge.conflictStyle $style
    expect 0 taskstore prd set p --title "of $side" && git commit -qam "$side"
  done
  tip_left=$(git -C "$scratch/left" rev-parse HEAD) tip_right=$(git -C "$scratch/right" rev-parse HEAD)
  git -C "$scratch/left" fetch -q ../right main && git -C "$scratch/right" fetch -q ../left main
  cd "$scratch/left" && git merge -q "$tip_right" >/dev/null 2>&1
  expect 0 taskstore sync; git commit -qam crossed; expect 0 taskstore prd set p --description left; git commit -qam left2
  cd "$scratch/right" && git merge -q "$tip_left" >/dev/null 2>&1
  expect 0 taskstore sync; git commit -qam crossed; expect 0 taskstore prd set p --description right; git commit -qam right2
  cd "$scratch/left" && git fetch -q ../right main && git merge -q FETCH_HEAD >/dev/null 2>&1
  grep -q '^>>>>>>>>> ' .taskstore/prds.jsonl || bad "git nested no markers under $style: the test has lost its subject"
  lines=$(grep '^{' .taskstore/prds.jsonl | sort -u)
  expect 0 taskstore sync; has "$err" "git add"; lacks "$err" "lack"
  grep -q '^[<|=>]' .taskstore/prds.jsonl && bad "markers stayed under $style"
  same "$(grep '^{' .taskstore/prds.jsonl | sort -u)" "$lines"
  expect 0 taskstore doctor; lacks "$out" "merge_marker"
done
finish
