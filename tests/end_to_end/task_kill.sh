#!/usr/bin/env bash
# kill -9 of each verb that writes tasks, at any moment: what it told is there, what it did is there as a whole or not at all, and
# asked again it is done once. 8 rounds of each; 80 with TASKSTORE_FULL. ONLY=WORDS: of the verbs with these words in their name.
here=$(realpath "$(dirname "$0")")
. "$here/begin_tasks.sh"
rounds=8
[ -n "${TASKSTORE_FULL:-}" ] && rounds=80
seed=${SEED:-$RANDOM}
echo "seed $seed"
python3 -B "$here/task_kill.py" "$TASKSTORE" "$scratch/device" "$seed" "$rounds" "${ONLY:-}" || bad "see above"
finish
