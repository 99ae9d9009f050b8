#!/usr/bin/env bash
# Moves, their undoing and restores of a device's database, killed at any moment: there is one place that takes writes, and the same command
# goes on from there.
. "$(dirname "$0")/begin.sh"
export HOME=$scratch/home TASKSTORE_HOME=$scratch/device
mkdir -p "$HOME" "$TASKSTORE_HOME"
old=$TASKSTORE_HOME/tasks.db new=$scratch/disk/new.db

# count PLACE: its tasks, by the engine's own hand; epoch PLACE
ask() { python3 -c 'import sqlite3, sys; print(sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True).execute(sys.argv[2]).fetchone()[0])' "$1" "$2"; }
count() { ask "$1" "SELECT count(*) FROM tasks"; }
epoch() { ask "$1" "SELECT epoch FROM taskstore_database WHERE name = 'tasks'"; }
identity() { ask "$1" "SELECT id FROM taskstore_database WHERE name = 'tasks'" 2> /dev/null; }
# takes PLACE: whether somebody whose config names it can write to this database there; what was written is taken away again
takes() {
  local id
  [ -e "$1" ] && [ "$(identity "$1")" = "$ours" ] || return 1
  id=$(TASK_STORE_PATH=$1 "$TASKSTORE" task add --title probe --json 2> /dev/null) || return 1
  TASK_STORE_PATH=$1 "$TASKSTORE" task rm "$(sed 's/.*"id":"\([^"]*\)".*/\1/' <<<"$id")" > /dev/null 2>&1 || bad "the probe stays in $1"
}
# killed NUMBER COMMAND…: kills it when it has made its NUMBER-th system call of those that change files; false: it ended before
killed() {
  local number=$1 got=0
  shift
  strace -f -qq -o /dev/null -e trace=rename,unlink,fdatasync,pwrite64 -e inject=rename,unlink,fdatasync,pwrite64:signal=KILL:when="$number" \
    "$@" > /dev/null 2>&1 &
  wait "$!" 2> /dev/null || got=$?
  [ "$got" -ge 128 ]
}

expect 0 taskstore task add --title first
for i in $(seq 30); do expect 0 taskstore task add --title "task $i" --quiet; done
same "$(count "$old")" 31
ours=$(identity "$old")

# --- a wrong word changes nothing, and is in nobody's way
touch "$scratch/file"
expect 5 taskstore move --to postgres://ann:s3cret@127.0.0.1:1/d; lacks "$out$err" s3cret
taskstore move --to "sqlite:$scratch/file/new.db" > out 2>&1 && bad "a folder in a file"
[ -e "$TASKSTORE_HOME/move-tasks.json" ] && bad "a journal of a move that never began"
printf 'databases = { logs = "sqlite:/x" }\n' > "$TASKSTORE_HOME/config.toml"
expect 2 taskstore move --to "sqlite:$new"; [ -e "$new" ] && bad "it began though config.toml cannot be edited"
rm "$TASKSTORE_HOME/config.toml"
expect 3 taskstore move --undo

# --- there, and refused everywhere else
expect 0 taskstore move --to "sqlite:$new"
expect 0 env TASKSTORE_HOME="$scratch/other" TASK_STORE_PATH="$new" "$TASKSTORE" task add --title there
for words in "task add --title late" "task claim --worker w" "move --to sqlite:$scratch/third.db" "backup --database tasks $scratch/late.zst"; do
  # shellcheck disable=SC2086
  expect 5 env TASKSTORE_HOME="$scratch/other" TASK_STORE_PATH="$old" "$TASKSTORE" $words; has "$err" "has moved to sqlite:$new"
done
[ -e "$scratch/third.db" ] && bad "a second live copy"

# --- taken back only while the new place can be asked
mv "$scratch/disk" "$scratch/away"
expect 5 taskstore move --undo; has "$err" "is not there"; takes "$old" && bad "the old place was opened without what is in the new one"
mkdir "$scratch/disk"; expect 5 taskstore move --undo; [ -e "$new" ] && bad "an empty database was made"
rmdir "$scratch/disk"; mv "$scratch/away" "$scratch/disk"
expect 0 taskstore move --undo; same "$(count "$old")" 32
takes "$new" && bad "two places take writes"

# --- another state at the new place is not thrown away
survives='"level":"flushed"}'
expect 0 taskstore backup --database tasks "$scratch/t.zst" --json; has "$out" "$survives"
expect 0 taskstore move --to "sqlite:$new" --json; has "$out" "$survives"
expect 0 taskstore restore --replace "$scratch/t.zst" --json; has "$out" "$survives"
expect 4 taskstore move --undo; has "$err" "restored"; takes "$old" && bad "the old place was opened"
expect 4 taskstore move --to "sqlite:$old"; has "$err" "a backup that was restored there"; takes "$old" && bad "the old place was opened"
expect 0 taskstore move --to "sqlite:$old" --forget; takes "$new" && bad "two places take writes"

# --- what another device can take back, and a new place that is lost for good
expect 0 taskstore move --to "sqlite:$new"
expect 4 env TASKSTORE_HOME="$scratch/other" "$TASKSTORE" move --undo --from "sqlite:$old" --to "sqlite:$new"; has "$err" "is where 'tasks' takes writes"
expect 2 env TASKSTORE_HOME="$scratch/other" "$TASKSTORE" move --undo --from "sqlite:$new" --to "sqlite:$old"; has "$err" "nothing to take back"
for words in "--undo --to sqlite:x" "--undo --from sqlite:x" "--from sqlite:x" "--from sqlite:x --to sqlite:y --forget"; do
  # shellcheck disable=SC2086
  expect 2 taskstore move $words
done
mv "$scratch/disk" "$scratch/away"
expect 5 taskstore move --undo; lacks "$err" "--forget"; takes "$old" && bad "the old place was opened though nobody said that the new one is lost"
expect 0 taskstore move --undo --forget; takes "$old" || bad "the old place takes no writes"
rm -r "$scratch/away"

# --- killed at any moment
step=${TASKSTORE_FULL:+1}; step=${step:-23}
if command -v strace > /dev/null; then
  here=$old there=$scratch/there.db
  for ((n = 1; n < 2000; n += step)); do
    if ! killed "$n" "$TASKSTORE" move --to "sqlite:$there"; then break; fi
    takes "$here" && takes "$there" && bad "two places take writes after call $n"
    # This folder has no plan; the device's moves are told all the same.
    grep -q '"ended"' "$TASKSTORE_HOME/move-tasks.json" 2> /dev/null || { [ -e "$TASKSTORE_HOME/move-tasks.json" ] && { expect 0 taskstore doctor; has "$out" "begun and not ended"; }; }
    if ((n % 2)); then
      taskstore move --to "sqlite:$there" > out 2>&1 || has "$(cat out)" "is there already"
      takes "$here" && bad "the old place takes writes after call $n"
      takes "$there" || bad "the new place takes none after call $n"
    fi
    [ -e "$TASKSTORE_HOME/move-tasks.json" ] && expect 0 taskstore move --undo
    takes "$here" || bad "the old place takes no writes after call $n and its undoing"
    takes "$there" && bad "both take writes after call $n and its undoing"
    same "$(count "$here")" 32
    rm -f "$there"*
  done
  [ "$n" -gt 50 ] || bad "the move ended after $n calls"
  [ -e "$TASKSTORE_HOME/move-tasks.json" ] && expect 0 taskstore move --undo
  for ((n = 1; n < 2000; n += step)); do
    expect 0 taskstore move --to "sqlite:$there"
    ended=0; killed "$n" "$TASKSTORE" move --undo || ended=1
    takes "$here" && takes "$there" && bad "two places take writes after call $n of the undoing"
    [ -e "$TASKSTORE_HOME/move-tasks.json" ] && expect 0 taskstore move --undo
    takes "$here" || bad "nothing takes writes after call $n of the undoing"
    same "$(count "$here")" 32
    [ "$ended" = 1 ] && break
  done
  for ((n = 1; n < 2000; n += step)); do
    before=$(epoch "$here"); ended=0
    killed "$n" "$TASKSTORE" restore --replace "$scratch/t.zst" || ended=1
    if ! takes "$here"; then
      expect 5 taskstore task add --title late; has "$err" "being restored"
      expect 0 taskstore restore "$scratch/t.zst"; [ "$(epoch "$here")" -gt "$before" ] || bad "the epoch did not grow"
    fi
    same "$(count "$here")" 32
    [ "$ended" = 1 ] && break
  done
else
  echo "strace is not installed: nothing was killed"
fi

# --- two processes at once: one moves, the other says so
for _ in $(seq 5); do
  (taskstore move --to "sqlite:$scratch/race.db" > one 2>&1; echo $? > one.rc) &
  (taskstore move --to "sqlite:$scratch/race.db" > two 2>&1; echo $? > two.rc) &
  wait
  case "$(cat one.rc two.rc | tr '\n' ' ')" in "0 4 " | "4 0 " | "0 2 " | "2 0 ") ;; *) bad "both moved, or none: $(cat one.rc two.rc one two)" ;; esac
  expect 0 taskstore move --undo
done
same "$(count "$old")" 32
finish
