#!/usr/bin/env bash
# The device's databases in files: where they are made, what is refused, and passwords that nobody sees.
. "$(dirname "$0")/begin.sh"
export HOME=$scratch/home TASKSTORE_HOME=$scratch/device
mkdir -p "$HOME" "$TASKSTORE_HOME"
git init -q .

# The founding path, without any set-up: folders are made, `~` and variables stand for what they are.
expect 0 env TASK_STORE_PATH='~/.local/share/adi/tasks.db' "$TASKSTORE" migrate --apply --database tasks
same "$(stat -c %a "$HOME/.local/share/adi" "$HOME/.local/share/adi/tasks.db" | tr '\n' ' ')" "700 600 "
expect 0 env PLACE=there TASK_STORE_PATH='$HOME/${PLACE}/tasks.db' "$TASKSTORE" migrate --apply --database tasks
[ -f "$HOME/there/tasks.db" ] || bad "no database in $HOME/there"
expect 2 env TASK_STORE_PATH='~nobody/tasks.db' "$TASKSTORE" migrate --apply; has "$err" "'~' alone is known"
expect 2 env TASK_STORE_PATH='$ABSENT/tasks.db' "$TASKSTORE" migrate --apply; has "$err" "ABSENT"
[ -e "./~nobody" ] && bad "a folder '~nobody' was made"

# What is not there is told with where, and with what the verb at hand needs.
for command in "migrate --apply --database tasks" "backup --database tasks b.zst" "sql --database tasks SELECT" "task list"; do
  expect 3 env TASK_STORE_PATH=/proc/no/tasks.db "$TASKSTORE" $command; has "$err" "'/proc/no"; has "$err" "taskstore migrate --status"; lacks "$err" KIND
done
expect 3 taskstore backup "$scratch/b.zst"; has "$err" "migrate --status"
expect 3 taskstore sql --database logs "SELECT 1"; has "$err" "logs.db"; has "$err" "migrate --status"
expect 3 taskstore restore "$scratch/absent.zst"; has "$err" "$scratch/absent.zst"; has "$err" "taskstore backup"

# --- a place that a move led to and that is away is said to be, by whoever would read there
mover() { env TASKSTORE_HOME="$scratch/mover" "$TASKSTORE" "$@"; }
mkdir disk && expect 0 mover task add --title moved && expect 0 mover move --to "sqlite:$scratch/disk/tasks.db" && mv disk unmounted
expect 0 mover doctor; has "$out" "$scratch/disk/tasks.db does not hold it now"
for command in "migrate --status" "migrate --plan" "backup $scratch" "backup --database tasks $scratch/away.zst" "sql --database tasks SELECT" "task list"; do
  expect 5 mover $command; has "$err" "$scratch/disk/tasks.db does not hold it now"
done
expect 5 mover migrate --status --database tasks --json; has "$out" '"exists":false,"away":true'; lacks "$out" CREATE
expect 5 mover migrate --status --database tasks; has "$out" "away: it was moved there"; lacks "$out" "not made yet"
mv unmounted disk; expect 0 mover migrate --status --json; has "$out" '"exists":true,"away":false'; expect 0 mover move --undo

# A read is a read.
expect 0 taskstore migrate --apply --quiet
for text in "DELETE FROM tasks" "WITH x AS (SELECT 1) INSERT INTO taskstore_database VALUES (1)" "PRAGMA user_version = 7" \
            "VACUUM INTO '$scratch/copy.db'" "ATTACH '$scratch/copy.db' AS a" "CREATE TEMP TABLE t (x)"; do
  expect 7 taskstore sql --database tasks "$text"; has "$err" "sql only reads"
done
expect 2 taskstore sql --database tasks "SELECT 1; DELETE FROM tasks"
[ -e copy.db ] && bad "a read made copy.db"

# What a newer program wrote is named and left alone.
python3 - "$TASKSTORE_HOME/tasks.db" <<'EOF'
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as db:
    db.execute("""INSERT INTO taskstore_migrations SELECT module, version + 1, 'new', checksum, applied_at
                  FROM taskstore_migrations WHERE module = 'tasks' ORDER BY version DESC LIMIT 1""")
EOF
expect 0 taskstore migrate --status --database tasks; has "$out" "newer than this program"
expect 0 taskstore migrate --status --database tasks --json; has "$out" '"newer":true'
expect 1 taskstore migrate --apply --database tasks; has "$err" "upgrade this program"
expect 1 taskstore backup --database tasks "$scratch/b.zst"; has "$err" "upgrade this program"
[ -e b.zst ] && bad "a backup of half a database"

# Passwords: in no message, and not in what `ps` shows.
printf '[databases]\ntasks = "postgres://ann:s3cret@127.0.0.1:1/d?password=s3cret"\nlogs = "libsql://h?authToken=s3cret"\n' \
  > "$TASKSTORE_HOME/config.toml"
expect 0 taskstore config show; has "$out" "postgres://ann:***@127.0.0.1:1/d?password=***"; lacks "$out$err" s3cret
"$TASKSTORE" sql --database tasks "SELECT 1" > out 2> err; lacks "$(cat out err)" s3cret
# Also where it holds signs that a URL is made of, and where it came to the wrong place.
hidden() { lacks "$(cat out err)" s3c; lacks "$(cat out err)" ret; }
for secret in 's3c#ret' 's3c?ret' 's3c/ret' 's3c@ret' 's3c:ret' 's3c ret' 's3c%23ret' "s3c'ret" 's3c"ret' 's3c?a=ret' 's3c#@ret'; do
  for url in "postgres://ann:$secret@127.0.0.1:1/d" "postgres://127.0.0.1:1/d?password=$secret" "libsql://ann:$secret@127.0.0.1:1" \
             "libsql://127.0.0.1:1?authToken=$secret" "libsql://127.0.0.1:1?jwt=$secret" "mysql://ann:$secret@h" \
             "host=h password='$secret'"; do
    TASK_STORE_URL=$url "$TASKSTORE" config show > out 2> err; hidden
    TASK_STORE_URL=$url "$TASKSTORE" config show --json > out 2> err; hidden
    for verb in "" restore backup task --store; do TASKSTORE_HOME=$scratch/none "$TASKSTORE" $verb "$url" > out 2> err; hidden; done
    "$TASKSTORE" "--$url" > out 2> err; hidden
  done
done
for url in 'postgres://ann:s3c#ret@127.0.0.1:1/d' 'postgres://ann:1/s3c@ret/d' 'libsql://ann:s3c%23ret@127.0.0.1:1' 'libsql://h?s3cret' \
           'postgres://ann:s3cret' 'libsql://ann:s3c?ret'; do
  TASK_STORE_URL=$url "$TASKSTORE" migrate --status --json > out 2> err && bad "'$url' was taken"
  hidden
  "$TASKSTORE" move --database logs --to "$url" > out 2> err
  hidden
done
mkfifo question
"$TASKSTORE" --store 'postgres://ann:s3cret@h/d?password=s3cret&port=1' sql - < question > out 2> err &
asked=$!
exec 3> question
shown() { tr '\0' ' ' < "/proc/$asked/cmdline"; }
for _ in $(seq 1000); do case "$(shown)" in *'***'*) break ;; esac; done
has "$(shown)" 'postgres://ann:***@h/d?password=***&port=1'; lacks "$(shown)" s3cret
exec 3>&-
wait "$asked"
expect 0 env -u TASKSTORE_HOME "$TASKSTORE" init
printf '[databases]\nurl = "postgres://ann:s3cret@h/d"\n' > .taskstore/config.toml
expect 7 taskstore list-prds; has "$err" "databases.url"; lacks "$err" s3cret
finish
