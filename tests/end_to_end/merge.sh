#!/usr/bin/env bash
# merge.sh PROGRAM DRIVER: real git with the merge driver: merges, a rebase, a cherry-pick, a revert; and its exit codes.
. "$(dirname "$0")/begin.sh"
driver=$(realpath "$2")
use_driver "$driver"

begin() {
  cd "$scratch" && rm -rf repo && git init -q repo && cd repo || exit 1
  taskstore sync >/dev/null 2>&1
  echo '.taskstore/*.jsonl merge=taskstore-merge -text' >.gitattributes
  taskstore prd add --title first --id p1 >/dev/null
  git add -A && git commit -qm base
}
commit() { git add -A && git commit -qm "$1"; }
title() { taskstore show prd p1 --json | sed 's/.*"title":"\([^"]*\)".*/\1/'; }
status() { taskstore show prd p1 --json | sed 's/.*"status":"\([^"]*\)".*/\1/'; }

# Two members on two branches: both stand.
begin
git checkout -qb other
taskstore prd set p1 --status ready >/dev/null && commit ready
git checkout -q main
taskstore prd set p1 --title renamed >/dev/null && commit renamed
expect 0 git merge -q -m merge other
same "$(title) $(status)" "renamed ready"
expect 0 taskstore doctor; lacks "$out" lost

# One member on two branches: the later one stands, the other is listed.
begin
git checkout -qb other
taskstore prd set p1 --title theirs >/dev/null && commit theirs
git checkout -q main
taskstore prd set p1 --title ours >/dev/null && commit ours
expect 0 git merge -q -m merge other
same "$(title)" ours
taskstore doctor >doctor.txt; has "$(cat doctor.txt)" theirs

# A rebase and a merge the other way round agree.
begin
git checkout -qb other
taskstore prd set p1 --status ready >/dev/null && commit ready
git checkout -q main
taskstore prd set p1 --title renamed >/dev/null && commit renamed
git branch merged other
git checkout -q other
expect 0 git rebase -q main
rebased=$(taskstore state --hash)
git checkout -q merged
expect 0 git merge -q -m merge main
same "$(taskstore state --hash)" "$rebased"

# A later commit without the earlier one; and an earlier one taken back under a later one.
begin
git checkout -qb other
taskstore prd set p1 --title earlier >/dev/null && commit earlier
taskstore prd set p1 --status ready >/dev/null && commit later
git checkout -q main
expect 0 git cherry-pick other
same "$(title) $(status)" "first ready"
git checkout -q other
expect 0 git revert --no-edit HEAD~1
same "$(title) $(status)" "first ready"
expect 0 taskstore doctor; lacks "$out" lost

# Deleted on one branch, edited on the other: deleted, and the edit is listed.
begin
git checkout -qb other
taskstore prd set p1 --title late >/dev/null && commit late
git checkout -q main
taskstore prd rm p1 >/dev/null && commit gone
expect 0 git merge -q -m merge other
expect 3 taskstore show prd p1
taskstore doctor >doctor.txt; has "$(cat doctor.txt)" late

# Lines without stamps of equal time: git is told, and what clashes stands between markers alone.
cd "$scratch" && rm -rf repo && git init -q repo && cd repo || exit 1
taskstore sync >/dev/null 2>&1
echo '.taskstore/*.jsonl merge=taskstore-merge -text' >.gitattributes
plain() { echo "{\"id\":\"p1\",\"title\":\"$1\",\"updated_at\":5}"; echo '{"id":"p2","title":"same","updated_at":5}'; }
plain first >.taskstore/prds.jsonl && commit base
git checkout -qb other
plain theirs >.taskstore/prds.jsonl && commit theirs
git checkout -q main
plain ours >.taskstore/prds.jsonl && commit ours
expect 1 git merge -q -m merge other
same "$(grep -c '^<<<<<<<' .taskstore/prds.jsonl) $(grep -c p2 .taskstore/prds.jsonl)" "1 1"
expect 4 taskstore sync
git merge --abort

# Who takes a side of it loses of the other what clashes alone, by resolve and by hand.
wide() { echo "{\"id\":\"p1\",\"title\":\"$1\",\"description\":\"$2\",\"notes\":\"$3\",\"updated_at\":$4}"; }
for how in resolve hand; do
  git checkout -qB main && git branch -qD other
  wide t d n 6 >.taskstore/prds.jsonl && commit base
  git checkout -qb other
  wide theirs d 'their notes' 7 >.taskstore/prds.jsonl && commit theirs
  git checkout -q main
  wide ours 'our description' n 7 >.taskstore/prds.jsonl && commit ours
  expect 1 git merge -q -m merge other
  if [ $how = resolve ]; then
    expect 0 taskstore resolve p1 --take theirs
  else
    sed -i '/^<<<<<<<\|^=======/d; /^>>>>>>>/d; /"title":"ours"/d' .taskstore/prds.jsonl
    expect 0 taskstore sync
  fi
  record=$(taskstore show prd p1 --json)
  has "$record" '"title":"theirs"'; has "$record" '"description":"our description"'; has "$record" '"notes":"their notes"'
  git add -A && expect 0 git commit -qm merged
  same "$(taskstore conflicts --json | grep -c '"member"')" 0
done

# Lines without stamps: the newer value stands, the other one is listed until somebody settles it, also over the next merge.
git checkout -qB main && git branch -qD other
wide t d n 10 >.taskstore/prds.jsonl && commit base
git checkout -qb other
wide theirs d n 11 >.taskstore/prds.jsonl && commit theirs
git checkout -q main
wide ours d n 12 >.taskstore/prds.jsonl && commit ours
expect 0 git merge -q -m merge other
lacks "$err" theirs
has "$(taskstore conflicts)" theirs
git checkout -q other
wide theirs d 'their notes' 20 >.taskstore/prds.jsonl && commit again
git checkout -q main
expect 0 git merge -q -m again other
record=$(taskstore show prd p1 --json)
has "$record" '"title":"ours"'; has "$record" '"notes":"their notes"'
has "$(taskstore conflicts)" theirs
taskstore prd set p1 --description 'one more' >/dev/null
has "$(taskstore conflicts)" theirs
expect 0 taskstore resolve p1 --take title=theirs
has "$(taskstore show prd p1 --json)" '"title":"theirs"'
lacks "$(taskstore conflicts --json)" '"member"'

# Criss-cross: the base is itself a merge.
begin
git checkout -qb left
taskstore prd set p1 --title left >/dev/null && commit left
git checkout -qb right main
taskstore prd set p1 --status ready >/dev/null && commit right
git checkout -q left && git merge -q -m one right
git checkout -q right && git merge -q -m two left~1
taskstore prd set p1 --title 'right again' >/dev/null && commit right
git checkout -q left
taskstore prd set p1 --description 'left again' >/dev/null && commit left
expect 0 git merge -q -m three right
same "$(title) $(status)" "right again ready"

# Commits of a branch picked before it is merged, one of them of a record that this branch never had, in any order.
begin
git checkout -qb other
taskstore prd add --title made --id p2 >/dev/null && commit made
taskstore prd set p2 --title edited >/dev/null && commit edited
taskstore prd set p1 --title early >/dev/null && commit early
taskstore prd set p1 --status ready >/dev/null && commit late
git checkout -q main
taskstore prd set p1 --description ours >/dev/null && commit ours
expect 0 git cherry-pick other
same "$(title) $(status)" "first ready"
expect 0 git cherry-pick other~2; has "$err" "never there"
expect 3 taskstore show prd p2
expect 0 git cherry-pick other~1
same "$(title) $(status)" "early ready"
expect 0 git merge -q -m both other
same "$(title) $(status)" "early ready"
has "$(taskstore show prd p2 --json)" '"title":"edited"'
has "$(taskstore show prd p1 --json)" '"description":"ours"'
lacks "$(taskstore conflicts --json)" '"member"'
# Picked again, it says nothing new; reverted, it is gone, and stays so over the next merge.
git cherry-pick other~1 >/dev/null 2>&1; git cherry-pick --skip >/dev/null 2>&1
same "$(title) $(status)" "early ready"
taskstore prd set p1 --status draft >/dev/null && commit draft
expect 0 git revert --no-edit HEAD
same "$(status)" ready
git checkout -q other
taskstore prd set p2 --description more >/dev/null && commit more
git checkout -q main
expect 0 git merge -q -m again other
same "$(title) $(status)" "early ready"
has "$(taskstore show prd p2 --json)" '"description":"more"'
expect 0 taskstore doctor; lacks "$out" lost

# Octopus: git calls no driver; branches of unlike files join at once, of one file git wants them one by one.
begin
for n in 1 2 3; do
  git checkout -q -b "arm$n" main
  taskstore record add "kind$n" name=one --id "one$n" >/dev/null && commit "arm$n"
done
git checkout -q main
expect 0 git merge -q -m octopus arm1 arm2 arm3
for n in 1 2 3; do has "$(taskstore record list "kind$n" --json)" "one$n"; done
for n in 1 2 3; do
  git checkout -q -B "arm$n" main
  taskstore prd set p1 --title "title$n" >/dev/null
  taskstore prd add --title own --id "own$n" >/dev/null && commit "arm$n"
done
git checkout -q main
git merge -q -m octopus arm1 arm2 arm3 >/dev/null 2>&1 && bad "git merged one file of three branches without the driver"
git reset -q --hard
for n in 1 2 3; do expect 0 git merge -q -m "arm$n" "arm$n"; done
for n in 1 2 3; do has "$(taskstore show prd "own$n" --json)" '"own"'; done
same "$(title)" title3
has "$(taskstore conflicts)" title1; has "$(taskstore conflicts)" title2

# Exit codes.
cd "$scratch" || exit 1
expect 2 "$driver"; has "$err" usage
expect 2 "$driver" a b
expect 2 "$driver" a b c d e f
plain ours >ours; plain theirs >theirs; : >base
for size in abc .taskstore/prds.jsonl 0 -7 7x 1001 ''; do
  expect 2 "$driver" base ours theirs "$size"; has "$err" 'no size of markers'
  expect 2 "$driver" base ours theirs "$size" .taskstore/prds.jsonl; has "$err" usage
done
same "$(cat ours)" "$(plain ours)"
expect 0 "$driver" --help; has "$out" "Exit status"
expect 0 "$driver" --version; has "$out" taskstore-merge
plain ours >ours; plain theirs >theirs; : >base
expect 1 "$driver" base ours theirs 12 .taskstore/prds.jsonl; has "$err" "prds.jsonl: 1 record clashes"
has "$(cat ours)" "<<<<<<<<<<<< ours p1"
plain ours >ours
expect 2 "$driver" base ours absent 3; has "$err" absent
has "$(cat ours)" "<<<<<<< ours"; has "$(cat ours)" '"title":"ours"'
# In a file of another program nothing is added, and what lost is said.
wide t d n 1 >base; wide ours d n 2 >ours; wide theirs d n 3 >theirs
expect 0 "$driver" base ours theirs 7 issues.jsonl; has "$err" 'p1 title: "ours"'
same "$(cat ours)" "$(wide theirs d n 3)"
for i in 1 2 3; do for n in $(seq 25); do wide "t$i" d n $i | sed "s/p1/p$n/"; done >"file$i"; done
expect 0 "$driver" file1 file2 file3 7 issues.jsonl; has "$err" 'and 5 more'
wide u d n 2 >ours; : >theirs
expect 0 "$driver" base ours theirs 7 issues.jsonl; has "$err" 'p1 title: "u"'
wide theirs d n 3 >theirs
wide t d n 1 >base; wide ours d n 2 >ours
expect 0 "$driver" base ours theirs 7 'deep er/.taskstore/prds.jsonl'; same "$err" ""
has "$(cat ours)" '"lost":[{"member":"title","at":"2@","value":"ours"}]'
# With three operands nobody has named the file, and the rule is for stores' files: what lost is noted in it.
wide t d n 1 >base; wide ours d n 2 >ours; wide theirs d n 3 >theirs
expect 0 "$driver" base ours theirs; same "$err" ""
has "$(cat ours)" '"lost":[{"member":"title","at":"2@","value":"ours"}]'
plain ours >ours
expect 0 "$driver" no-base ours ours
same "$(cat ours)" "$(plain ours)"
finish
