#!/usr/bin/env bash
# unmerged.sh PROGRAM DRIVER: merges that git did not finish, commits that are refused, and what doctor says and mends.
driver=$(realpath "$2")
. "$(dirname "$0")/begin.sh"
export GIT_CONFIG_GLOBAL=$scratch/gitconfig
git config --global user.name tester
git config --global user.email tester@localhost
git config --global init.defaultBranch main
mkdir bin && ln -s "$TASKSTORE" bin/taskstore
export PATH=$scratch/bin:$PATH
file=.taskstore/prds.jsonl
begin() {
  cd "$scratch" && rm -rf repo && git init -q repo && cd repo || exit 1
  command taskstore sync >/dev/null 2>&1
  taskstore prd add --title first --id p1 >/dev/null
  git add -A && git commit -qm base
}
commit() { git add -A && git commit -qm "$1"; }
diverge() { # one new record on each side, and p1 edited in another member on each
  git checkout -qb other
  taskstore prd add --title theirs --id p2 >/dev/null && taskstore prd set p1 --status ready >/dev/null && commit theirs
  git checkout -q main
  taskstore prd add --title ours --id p3 >/dev/null && taskstore prd set p1 --title renamed >/dev/null && commit ours
}
all_there() {
  expect 0 taskstore show prd p2
  expect 0 taskstore show prd p3
  shown=$(taskstore show prd p1 --json)
  has "$shown" '"title":"renamed"' && has "$shown" '"status":"ready"'
}

# Without a driver: sync merges what git left, whatever git was doing.
begin && diverge
expect 1 git merge -q -m merge other
has "$(cat $file)" '<<<<<<<'
index=$(git ls-files -s)
expect 0 taskstore list-prds   # a read changes nothing
has "$(cat $file)" '<<<<<<<'
expect 0 taskstore sync
has "$err" "git add $file"
lacks "$(cat $file)" '<<<<<<<'
same "$(git ls-files -s)" "$index"
all_there
before=$(cat $file)
expect 0 taskstore sync
same "$(cat $file)" "$before"
git add $file && git commit -qm merge
all_there
expect 0 taskstore sync; lacks "$err" 'git add'

for act in 'rebase other' 'cherry-pick other'; do
  begin && diverge
  git $act >/dev/null 2>&1 </dev/null && bad "git $act did not stop"
  expect 0 taskstore sync --quiet
  same "$err" ""
  all_there
  git add $file && GIT_EDITOR=true git ${act% *} --continue >/dev/null 2>&1 || bad "git $act does not go on"
  all_there
done

# One side alone stands in the work tree, and somebody went on working: nothing is lost.
begin && diverge
git merge -q -m merge other >/dev/null
git checkout -q --ours $file
printf '{"id":"p9","title":"by hand","updated_at":5}\nnot a record\n' >>$file
expect 0 taskstore prd add --title meanwhile --id p4
expect 0 taskstore sync
all_there
expect 0 taskstore show prd p4
expect 0 taskstore show prd p9
has "$(cat $file)" 'not a record'
# A side that has no such file any more: nothing is guessed.
begin
git checkout -qb other && git rm -q $file && git commit -qm none && git checkout -q main
taskstore prd set p1 --title kept >/dev/null && commit kept
git merge -q -m merge other >/dev/null 2>&1
expect 0 taskstore sync
has "$err" removed
has "$(taskstore show prd p1 --json)" kept

# The hook: a commit with markers is refused, and the file of the work tree is merged meanwhile.
begin && taskstore install-hooks >/dev/null && commit hooks && diverge
git merge -q -m merge other >/dev/null 2>&1
has "$(cat $file)" '<<<<<<<'
expect 1 git commit -qam merge
has "$err" "conflict marker"
lacks "$(cat $file)" '<<<<<<<'
expect 0 git commit -qam merge
all_there
# Damaged lines are refused by what is staged, not by what stands in the work tree.
begin && taskstore install-hooks >/dev/null && commit hooks
good=$(cat $file)
printf '{"id":"torn' >>$file && git add $file
printf '%s\n' "$good" >$file
expect 1 git commit -qm damaged
has "$err" "$file:2"
expect 6 taskstore check-staged
# Also where the hook can do nothing else.
echo 'database_url = "x"' >.taskstore/config.toml
expect 1 git commit -qm damaged
has "$err" "$file:2"
rm .taskstore/config.toml
git add $file && printf 'damaged\n' >>$file
expect 0 git commit -q --allow-empty -m good
printf '%s\n' "$good" >$file
# What is in HEAD already stops nobody.
printf 'damaged\n' >>$file && git add $file && git commit -qnm damaged
taskstore prd add --title next --id p5 >/dev/null
expect 0 git commit -qam next
# One side's records, dropped: by hand, or by a driver that does nothing.
begin && taskstore install-hooks >/dev/null && commit hooks && diverge
git merge -q -m merge other >/dev/null 2>&1
git -c core.hooksPath=/dev/null checkout -q --ours $file && git add $file
expect 1 git commit -qm merge
has "$err" "record 'p2' of one side"
git checkout -q -m $file   # the hook merges it
git add $file && expect 0 git commit -qm merge
all_there
begin && taskstore install-hooks >/dev/null && commit hooks && diverge
git config merge.taskstore-merge.driver true
expect 0 git merge -q --no-commit other
expect 1 git commit -qm merge
has "$err" "record 'p2' of one side"
begin && taskstore install-hooks >/dev/null && commit hooks && diverge
git cherry-pick other >/dev/null 2>&1
git -c core.hooksPath=/dev/null checkout -q --ours $file && echo x >x && git add $file x
expect 1 git commit -qm pick
has "$err" "p2"
# With the driver there is nothing to do.
ln -s "$driver" "$scratch/bin/taskstore-merge"
begin && taskstore install-hooks >/dev/null && commit hooks && diverge
expect 0 git merge -q -m merge other
all_there

# A clash that somebody settled by hand stays settled, also to exactly one side, and also where nothing was added yet.
clash_line() { printf '{"id":"p1","title":"%s","updated_at":%s}\n' "$1" "$2"; }
clash() { # both sides said something else of p1 at the same time
  begin && echo '.taskstore/*.jsonl merge=taskstore-merge -text' >.gitattributes
  clash_line base 5 >$file && commit base
  git checkout -qb other && clash_line theirs 9 >$file && commit theirs
  git checkout -q main && clash_line ours 9 >$file && commit ours
}
settles() { # settles SIDE: chosen by hand, and it stays so
  clash_line "$1" 9 >$file
  expect 0 taskstore sync --quiet
  same "$(cat $file)" "$(clash_line "$1" 9)"
  expect 0 taskstore sync --quiet
  same "$(cat $file)" "$(clash_line "$1" 9)"
}
for side in ours theirs; do
  for act in 'merge other' 'cherry-pick other' 'merge --squash other'; do
    for driver_line in "'$driver' %O %A %B %L %P" 'git merge-file --marker-size=%L %A %O %B' false; do
      clash && git config merge.taskstore-merge.driver "$driver_line"
      git $act >/dev/null 2>&1 && bad "git $act did not stop"
      if [ "$driver_line" = false ]; then   # nobody has seen markers yet: what git left is no choice
        same "$(cat $file)" "$(clash_line ours 9)"
        expect 4 taskstore sync --quiet
        has "$(cat $file)" '<<<<<<<'
        expect 4 taskstore sync --quiet
        has "$(cat $file)" '<<<<<<<'
      fi
      settles $side
    done
  done
  clash && git config merge.taskstore-merge.driver "'$driver' %O %A %B %L %P"
  git checkout -q main~1 && clash_line theirs 9 >$file && git stash -q && git checkout -q main
  git stash pop >/dev/null 2>&1
  has "$(cat $file)" '<<<<<<<'
  settles $side
done
# Another merge of the same file is not taken for settled because an earlier one was.
clash && git config merge.taskstore-merge.driver false
git merge -q -m merge other >/dev/null 2>&1; expect 4 taskstore sync --quiet
settles ours
git reset -q --hard && git checkout -q other && clash_line again 9 >$file && commit again && git checkout -q main
git merge -q -m merge other >/dev/null 2>&1
same "$(cat $file)" "$(clash_line ours 9)"
expect 4 taskstore sync --quiet
has "$(cat $file)" '<<<<<<<'

# The verdict of a commit is remembered with what git knows of the merge: the same blobs may be one side alone.
for act in 'merge --squash other' 'stash pop'; do
  begin && taskstore install-hooks >/dev/null && commit hooks && diverge
  git config merge.taskstore-merge.driver 'git merge-file --marker-size=%L %A %O %B'
  echo x >x && git add x && expect 0 git commit -qm x   # judged: main's blobs are in order
  if [ "$act" = 'stash pop' ]; then
    git checkout -q main~2 && git show other:$file >$file && git stash -q && git checkout -q main
  fi
  git -c core.hooksPath=/dev/null $act >/dev/null 2>&1
  same "$(git ls-files -u | wc -l)" 3
  git -c core.hooksPath=/dev/null checkout -q --ours $file && echo y >y && git add $file y
  expect 1 git commit -qm "$act"
  has "$err" "p2"
done

# A switch that took changes along leaves no trace but the index.
begin && taskstore install-hooks >/dev/null && commit hooks && diverge
git config merge.taskstore-merge.driver 'git merge-file --marker-size=%L %A %O %B'
git checkout -q main~1 && git show other:$file >$file
git -c core.hooksPath=/dev/null checkout -q -m main >/dev/null 2>&1
same "$(git ls-files -u | wc -l)" 3
git -c core.hooksPath=/dev/null checkout -q --ours $file && echo y >y && git add $file y
expect 1 git commit -qm y
has "$err" "p2"
# What was committed against the advice stops no later commit, though git's notes of it are still there.
expect 0 git commit -qnm y
has "$(git ls-files --resolve-undo)" "$file"
expect 0 taskstore prd add --title next --id p7
expect 0 git commit -qam next

# A fresh clone lacks the driver: the first command of a day says so, quiet ones and doctor's own words aside.
cd "$scratch" && rm -rf clone && git clone -q repo clone && cd clone || exit 1
expect 0 taskstore list-prds --quiet
same "$err" ""
expect 0 taskstore list-prds
same "$(grep -c 'install-hooks' "$scratch/err")" 1
expect 0 taskstore show prd p1
lacks "$err" install-hooks
touch -d '25 hours ago' .git/taskstore/told-of-driver
expect 0 taskstore list-prds
has "$err" install-hooks
expect 0 taskstore list-prds
lacks "$err" install-hooks
expect 0 taskstore list-prds --quiet
same "$err" ""
expect 0 taskstore doctor
has "$out" install-hooks
expect 0 taskstore doctor --fix
has "$out" pre-commit
expect 0 taskstore doctor
same "$out" "✓ nothing found"
expect 0 taskstore list-prds
same "$err" ""
expect 0 taskstore doctor --fix --json
has "$out" '"mended":[],"left":[]'
rm .git/hooks/post-merge && git config --unset merge.taskstore-merge.driver && rm .taskstore/.gitignore
expect 0 taskstore doctor
has "$out" post-merge
has "$out" "merge driver"
has "$out" not_ignored
git add -f .taskstore/store.db && git rm -q --cached .taskstore/workflows.jsonl && echo 'work*' >.git/info/exclude
printf 'damaged\n' >>$file
expect 0 taskstore doctor --fix
has "$out" "hook post-merge runs"
has "$out" "the merge driver"
has "$out" tracked_cache
has "$out" workflows.jsonl
has "$out" damaged_line
has "$(cat $file)" damaged
git checkout -q HEAD -- $file
chmod -x .git/hooks/pre-push
expect 0 taskstore doctor
has "$out" "not executable"
expect 0 taskstore doctor --fix
has "$out" "chmod +x"
chmod +x .git/hooks/pre-push
mkdir ../everybody && git config core.hooksPath "$scratch/everybody"
expect 0 taskstore doctor
has "$out" hooks_outside
for hook in pre-commit post-merge post-checkout post-rewrite pre-push; do has "$out" $hook; echo 'taskstore sync --quiet' >"$scratch/everybody/$hook"; done
expect 0 taskstore doctor
lacks "$out" hooks_outside
git config --unset core.hooksPath
rm "$scratch/bin/taskstore-merge"
expect 0 env PATH="$scratch/bin:/usr/bin:/bin" taskstore doctor
has "$out" "taskstore-merge"
finish
