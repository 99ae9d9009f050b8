#!/usr/bin/env bash
# kill -9 of a writer, again and again: every acknowledged record is there. 100 rounds; 1,000 with TASKSTORE_FULL.
. "$(dirname "$0")/begin.sh"
rounds=100
[ -n "${TASKSTORE_FULL:-}" ] && rounds=1000
expect 0 taskstore --store "$scratch/s" init
seed=${SEED:-$RANDOM}
RANDOM=$seed
echo "seed $seed"
writer() {
  for ((i = 0; ; ++i)); do
    "$TASKSTORE" --store "$scratch/s" record add kills n=$i --id "$1-$i" --quiet >/dev/null 2>&1 && echo "$1-$i" >> "$scratch/acknowledged"
  done
}
: > "$scratch/acknowledged"
for ((round = 0; round < rounds; ++round)); do
  { writer "r$round"; } 2>/dev/null &
  pid=$!
  # Until one or more were acknowledged, then a moment that differs each time.
  for ((wait = 0; wait < 500; ++wait)); do
    [ "$(tail -n 1 "$scratch/acknowledged" | cut -d- -f1)" = "r$round" ] && break
    read -rt 0.01 <> <(:) || true
  done
  read -rt "0.0$((RANDOM % 90 + 10))" <> <(:) || true
  pkill -KILL -P "$pid" 2>/dev/null
  kill -KILL "$pid" 2>/dev/null
  wait "$pid" 2>/dev/null
done
taskstore --store "$scratch/s" record list kills --json > "$scratch/listed" || bad "the list failed"
python3 - "$scratch/listed" "$scratch/acknowledged" <<'PY' || bad "acknowledged records are missing"
import json, sys
listed = {r["id"] for r in json.load(open(sys.argv[1]))["data"]}
told = {line.strip() for line in open(sys.argv[2]) if line.strip()}
print(len(told), "acknowledged,", len(listed), "there")
missing = told - listed
if missing or not told: sys.exit("missing: %s" % sorted(missing)[:5])
PY
before=$(taskstore --store "$scratch/s" state --hash)
expect 0 taskstore --store "$scratch/s" sync --rebuild
same "$(taskstore --store "$scratch/s" state --hash)" "$before"
finish
