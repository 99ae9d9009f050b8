#!/usr/bin/env bash
# merge_kill.sh PROGRAM DRIVER: kill -9 of the merge driver at any moment: the file is what it was or the whole merge, and
# git ends right: with the driver killed under it, sync merges what it left. 30 rounds; 500 with TASKSTORE_FULL.
. "$(dirname "$0")/begin.sh"
driver=$(realpath "$2")
use_driver "$driver"
rounds=30
[ -n "${TASKSTORE_FULL:-}" ] && rounds=500
seed=${SEED:-$RANDOM}
RANDOM=$seed
echo "seed $seed"
lines() { # lines TIME EVERY TITLE
  awk -v at="$1" -v every="$2" -v title="$3" 'BEGIN { for (i = 0; i < 20000; ++i) {
    changed = i % 4 == every
    printf "{\"id\":\"r%d\",\"title\":\"%s\",\"updated_at\":%d}\n", i, changed ? title i : "t" i, changed ? at : 1 } }'
}
lines 1 9 t >base; lines 5 1 ours >ours; lines 6 2 theirs >theirs
cp ours whole
started=$(date +%s%N)
expect 0 "$driver" base whole theirs 7 .taskstore/x.jsonl
took_ms=$((($(date +%s%N) - started) / 1000000 + 1))
old=$(sha256sum <ours) new=$(sha256sum <whole)
killed=0
for ((round = 0; round < rounds; ++round)); do
  cp ours now
  "$driver" base now theirs 7 .taskstore/x.jsonl 2>/dev/null &
  pid=$!
  read -rt "$(awk -v ms=$((RANDOM % (took_ms * 5 / 4 + 1))) 'BEGIN { printf "%.3f", ms / 1000 + 0.0005 }')" <> <(:) || true
  kill -KILL "$pid" 2>/dev/null
  wait "$pid" 2>/dev/null
  code=$?
  is=$(sha256sum <now)
  case $code in
    0) same "$is" "$new" ;;
    137) killed=$((killed + 1)); [ "$is" = "$old" ] || [ "$is" = "$new" ] || bad "round $round left neither the old nor the new file" ;;
    *) bad "round $round ended with $code" ;;
  esac
done
[ "$killed" -gt 0 ] || bad "no round was killed in time"
echo "$killed of $rounds killed"
expect 0 "$driver" base now theirs 7 .taskstore/x.jsonl

# Under git: what it leaves of a driver that died is merged by sync, and nothing of either side is lost.
git init -q repo && cd repo || exit 1
taskstore sync >/dev/null 2>&1
echo '.taskstore/*.jsonl merge=taskstore-merge -text' >.gitattributes
cp ../base .taskstore/x.jsonl && git add -A && git commit -qm base
git checkout -qb other && cp ../theirs .taskstore/x.jsonl && git commit -qam theirs
git checkout -q main && cp ../ours .taskstore/x.jsonl && git commit -qam ours
for how in 'kill -KILL $$' 'exit 2' "'$driver' \"\$@\" & sleep 0.02; kill -KILL \$! \$\$"; do
  printf '#!/bin/sh\n%s\n' "$how" >../dying && chmod +x ../dying
  git config --global merge.taskstore-merge.driver "'$scratch/dying' %O %A %B %L %P"
  git merge -q -m both other >/dev/null 2>&1 && bad "git took a merge whose driver died ($how)"
  git config --global merge.taskstore-merge.driver "'$driver' %O %A %B %L %P"
  expect 0 taskstore sync
  same "$(sha256sum <.taskstore/x.jsonl)" "$new"
  git add -A && expect 0 git commit -qm both
  git reset -q --hard HEAD~1
done
finish
