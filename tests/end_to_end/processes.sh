#!/usr/bin/env bash
# Sixteen processes write at once while another syncs and rebuilds: nothing is lost, nothing stands twice.
. "$(dirname "$0")/begin.sh"
expect 0 taskstore --store "$scratch/s" init
for worker in $(seq 16); do
  (for i in $(seq 20); do "$TASKSTORE" --store "$scratch/s" record add many w=$worker --id "w$worker-$i" --quiet || echo "w$worker-$i" >> "$scratch/refused"; done) &
done
for i in $(seq 10); do "$TASKSTORE" --store "$scratch/s" sync --quiet || echo sync >> "$scratch/refused"; done
"$TASKSTORE" --store "$scratch/s" sync --rebuild --quiet || echo rebuild >> "$scratch/refused"
wait
[ -e "$scratch/refused" ] && bad "refused: $(cat "$scratch/refused")"
expect 0 taskstore --store "$scratch/s" record list many --count; same "$out" 320
same "$(wc -l < "$scratch/s/many.jsonl")" 320
before=$(taskstore --store "$scratch/s" state --hash)
expect 0 taskstore --store "$scratch/s" sync --rebuild
same "$(taskstore --store "$scratch/s" state --hash)" "$before"
finish
