#!/usr/bin/env bash
# conflicts.sh PROGRAM DRIVER: what two clones wrote unlike is listed side by side until somebody settles it.
. "$(dirname "$0")/begin.sh"
driver=$(realpath "$2")
use_driver "$driver"
unset VISUAL EDITOR

commit() { git add -A && git commit -qm "$1"; }
member() { taskstore show prd p1 --json | sed "s/.*\"$1\":\"\([^\"]*\)\".*/\1/"; }
begin() {
  cd "$scratch" && rm -rf repo && git init -q repo && cd repo || exit 1
  taskstore sync >/dev/null 2>&1
  echo '.taskstore/*.jsonl merge=taskstore-merge -text' >.gitattributes
  taskstore prd add --title first --id p1 >/dev/null
  commit base
  git checkout -qb other
}
# diverged: both branches gave p1 another title, and other a description; merged.
diverged() {
  begin
  TASKSTORE_ACTOR=ben taskstore prd set p1 --title theirs >/dev/null && commit theirs
  git checkout -q main
  TASKSTORE_ACTOR=anna taskstore prd set p1 --title ours >/dev/null && commit ours
  git merge -q -m merge other
}

# Nothing to settle.
begin
expect 0 taskstore conflicts; has "$out" nothing
expect 0 taskstore conflicts --json; has "$out" '"kind":"conflict_list","data":[]'
expect 3 taskstore resolve p1 --accept; has "$err" "nothing to settle"

# Side by side, with who; one side is taken, and git has it staged.
diverged
expect 0 taskstore sync; has "$err" "taskstore conflicts"
expect 0 taskstore conflicts
for word in p1 title ours theirs anna ben MEMBER OURS THEIRS; do has "$out" "$word"; done
expect 0 taskstore conflicts p1 --json
has "$out" '"member":"title"'; has "$out" '"value":"theirs"'; has "$out" '"by":"ben"'
expect 2 taskstore resolve p1; has "$err" "--take"
expect 2 taskstore resolve p1 --take mine; has "$err" "title=theirs"
expect 2 taskstore resolve p1 --take ours --accept
same "$(git status --porcelain)" ""
expect 0 taskstore resolve p1 --take theirs; has "$out" "settled prd p1"
same "$(member title)" theirs
same "$(git status --porcelain)" "M  .taskstore/prds.jsonl"
expect 0 taskstore conflicts; has "$out" nothing
expect 0 taskstore conflicts p1

# As it stands.
diverged
expect 0 taskstore resolve p1 --accept --json; has "$out" '"_effect":"changed"'
same "$(member title)" ours
expect 0 taskstore conflicts; has "$out" nothing

# In an editor: saved as it is, nothing happens; what cannot be taken is kept.
diverged
expect 2 taskstore resolve p1 --edit; has "$err" EDITOR
EDITOR=true expect 2 taskstore resolve p1 --edit; has "$err" "nothing was settled"
EDITOR=false expect 1 taskstore resolve p1 --edit
cat >"$scratch/editor" <<'TEXT'
#!/bin/sh
sed -i "s/\"title\": .*/$1/" "$2"
TEXT
chmod +x "$scratch/editor"
EDITOR="$scratch/editor '\"nonsense\": 1'" expect 2 taskstore resolve p1 --edit
has "$err" "nonsense"; has "$err" "resolve-"
has "$(cat .taskstore/run/resolve-*)" nonsense  # and stays there, whatever is tried next
EDITOR="$scratch/editor '\"title\": \"neither\"'" expect 0 taskstore resolve p1 --edit
same "$(member title)" neither
has "$(cat .taskstore/run/resolve-*)" nonsense
lacks "$(cat .taskstore/run/resolve-*)" neither
expect 0 taskstore conflicts; has "$out" nothing

# Whoever starts us may ignore SIGCHLD: git is waited for all the same.
diverged
(trap '' CHLD; exec "$TASKSTORE" resolve p1 --accept >/dev/null 2>"$scratch/ignored") || bad "$(cat "$scratch/ignored")"
same "$(cat "$scratch/ignored")" ""
same "$(git status --porcelain)" "M  .taskstore/prds.jsonl"

# Deleted on one side, edited on the other.
for side in ours theirs; do
  begin
  taskstore prd set p1 --title late >/dev/null && commit late
  git checkout -q main
  taskstore prd rm p1 >/dev/null && commit gone
  git merge -q -m merge other
  expect 0 taskstore conflicts; has "$out" deleted; has "$out" late
  expect 2 taskstore resolve p1 --take title=theirs
  expect 0 taskstore resolve p1 --take $side
  if [ $side = ours ]; then expect 3 taskstore show prd p1; else same "$(member title)" late; fi
  expect 0 taskstore conflicts; has "$out" nothing
done

# What git left unmerged is merged before anything is staged: nothing of the other side is committed away.
diverged
git checkout -q other && taskstore prd add --title more --id p2 >/dev/null && commit more
git checkout -q main && taskstore prd set p1 --status ready >/dev/null && commit ready
git config merge.taskstore-merge.driver "no-such-program %O %A %B"
git merge -q -m again other >/dev/null 2>&1
same "$(git ls-files -u | wc -l)" 3
expect 0 taskstore resolve p1 --take theirs
same "$(git ls-files -u)" ""
expect 0 taskstore show prd p2
git commit -qm merged
has "$(git show HEAD:.taskstore/prds.jsonl)" '"p2"'
git config --unset merge.taskstore-merge.driver

# A true clash stands between markers; settled, they go and git has the file.
for side in ours theirs; do
  cd "$scratch" && rm -rf repo && git init -q repo && cd repo || exit 1
  taskstore sync >/dev/null 2>&1
  echo '.taskstore/*.jsonl merge=taskstore-merge -text' >.gitattributes
  plain() {
    echo "{\"id\":\"p1\",\"title\":\"$1\",\"updated_at\":5}"
    echo "{\"id\":\"p2\",\"title\":\"$1\",\"updated_at\":5}"
  }
  plain first >.taskstore/prds.jsonl && commit base
  git checkout -qb other
  plain theirs >.taskstore/prds.jsonl && commit theirs
  git checkout -q main
  plain ours >.taskstore/prds.jsonl && commit ours
  expect 1 git merge -q -m merge other
  expect 4 taskstore sync; has "$err" "taskstore conflicts"
  expect 0 taskstore conflicts; has "$out" p2
  expect 0 taskstore resolve p1 --take $side; has "$err" "still has merge markers"
  same "$(grep -c '^<<<<<<<' .taskstore/prds.jsonl)" 1
  expect 0 taskstore resolve p2 --take $side
  same "$(grep -c '^[<=>]' .taskstore/prds.jsonl)" 0
  same "$(member title)" $side
  same "$(git ls-files -u)" ""
  expect 0 git commit -qm merged
  expect 0 taskstore doctor
  rm -f .taskstore/store.db*
  same "$(member title)" $side
done
# Killed at any moment: settled or not, never half; done once more, or with the next sync, it ends as it would have.
seed=${SEED:-$RANDOM}
RANDOM=$seed
echo "seed $seed"
clashing() {
  cd "$scratch" && rm -rf repo && git init -q repo && cd repo || exit 1
  taskstore sync >/dev/null 2>&1
  echo '.taskstore/*.jsonl merge=taskstore-merge -text' >.gitattributes
  plain first >.taskstore/prds.jsonl && commit base
  git checkout -qb other
  plain theirs >.taskstore/prds.jsonl && commit theirs
  git checkout -q main
  plain ours >.taskstore/prds.jsonl && commit ours
  git merge -q -m merge other >/dev/null 2>&1
  taskstore resolve p2 --take ours >/dev/null 2>&1
}
half=0
for how in diverged clashing; do
  $how
  cp -a . ../kept
  started=$(date +%s%N)
  expect 0 taskstore resolve p1 --take theirs
  took_ms=$((($(date +%s%N) - started) / 1000000 + 1))
  for ((round = 0; round < 20; ++round)); do
    cd "$scratch" && rm -rf repo && cp -a kept repo && cd repo || exit 1
    "$TASKSTORE" resolve p1 --take theirs >/dev/null 2>&1 &
    pid=$!
    read -rt "$(awk -v ms=$((RANDOM % (took_ms * 5 / 4 + 1))) 'BEGIN { printf "%.3f", ms / 1000 + 0.0005 }')" <> <(:) || true
    kill -KILL "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    while [ -e .git/index.lock ]; do read -rt 0.01 <> <(:) || true; done   # git itself, which was left alone
    if taskstore conflicts --json | grep -q '"id":"p1"'; then
      half=$((half + 1))
      same "$(taskstore resolve p1 --take theirs 2>&1 | head -1)" "settled prd p1"
    fi
    same "$(member title)" theirs
    lacks "$(taskstore conflicts --json)" '"id":"p1"'
    expect 0 taskstore sync   # killed between its line and the markers, sync takes these away
    lacks "$(cat .taskstore/prds.jsonl)" '<<<<<<<'
    git add -A && expect 0 git commit -q --allow-empty -m settled
    rm -f .taskstore/store.db*
    same "$(member title)" theirs
  done
  cd "$scratch" && rm -rf kept
done
echo "$half of 40 were killed before they were settled"
[ "$half" -gt 0 ] || bad "no round was killed in time"
finish
