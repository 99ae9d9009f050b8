#!/usr/bin/env bash
# A bad place to live: other users' folders, missing rights, read-only and full disks, foreign bytes, caches that are cut and
# flipped. Mounts are made in a namespace of their own, so nothing outlives the script.
if [ -z "${HOSTILE_MOUNTS:-}" ]; then
  if unshare -m true 2>/dev/null; then HOSTILE_MOUNTS=yes exec unshare -m "$0" "$@"; fi
  if unshare -rm true 2>/dev/null; then HOSTILE_MOUNTS=yes exec unshare -rm "$0" "$@"; fi
  HOSTILE_MOUNTS=no
  echo "no CAP_SYS_ADMIN and no user namespaces: missing rights and a limit on file sizes stand for a read-only and a full disk"
fi
. "$(dirname "$0")/begin.sh"
cp "$TASKSTORE" "$scratch/taskstore" && TASKSTORE=$scratch/taskstore
chmod 755 "$scratch"
export TASKSTORE_HOME=$scratch/home
unset SUDO_UID
ledger() { cat "$1"/*.jsonl | sha256sum; }
# The same user without the rights that root has over files.
bare() { if [ "$(id -u)" = 0 ]; then setpriv --bounding-set=-all --inh-caps=-all -- "$@"; else "$@"; fi; }
fresh_store() {
  rm -rf "$scratch/s"
  expect 0 taskstore --store "$scratch/s" init
  expect 0 taskstore --store "$scratch/s" prd add --title one --id p1
  expect 0 taskstore --store "$scratch/s" prd add --title two --id p2 --status ready
}
finds_both() {
  expect 0 "$@" list-prds --status draft; has "$out" "one"; case "$out" in *two*) bad "the filter let p2 through" ;; esac
  expect 0 "$@" list-prds --status ready; has "$out" "two"
}

# --- other users ---------------------------------------------------------------------------------
fresh_store
for file in "$scratch"/s/store.db*; do same "$(stat -c %a "$file") $file" "600 $file"; done
expect 0 taskstore --store "$scratch/s" sync --rebuild; same "$(stat -c %a "$scratch/s/store.db")" 600
if [ "$(id -u)" = 0 ] && setpriv --reuid=65534 --regid=65534 --clear-groups true 2>/dev/null; then
  nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@"; }
  before=$(ledger "$scratch/s")
  expect 7 nobody "$TASKSTORE" --store "$scratch/s" list-prds; has "$err" "belongs to user 0"; has "$err" "files.safe_directories"
  expect 7 nobody "$TASKSTORE" --store "$scratch/s" init
  expect 7 nobody "$TASKSTORE" --store "$scratch/s" prd add --title x
  # The plan's own file cannot list itself.
  printf '[files]\nsafe_directories = "*"\n' > "$scratch/s/config.toml"
  expect 7 nobody "$TASKSTORE" --store "$scratch/s" list-prds; has "$err" "belongs to user 0"
  rm "$scratch/s/config.toml"
  for listed in '*' "$scratch/s" "/none:$scratch/s/" "$scratch"; do
    finds_both nobody env "TASKSTORE_CONFIG_FILES__SAFE_DIRECTORIES=$listed" "$TASKSTORE" --store "$scratch/s"
    has "$err" "cannot be written"
  done
  expect 7 nobody env TASKSTORE_CONFIG_FILES__SAFE_DIRECTORIES="$scratch/other:/" "$TASKSTORE" --store "$scratch/s" list-prds
  mkdir "$scratch/home" && printf '[files]\nsafe_directories = "%s"\n' "$scratch/s" > "$scratch/home/config.toml"
  finds_both nobody "$TASKSTORE" --store "$scratch/s"
  expect 7 nobody "$TASKSTORE" --store "$scratch/s" prd add --title x; has "$err" "cannot be written"
  rm -r "$scratch/home"
  same "$(ledger "$scratch/s")" "$before"
  # Root on a user's folder is another user too, unless it acts for that user.
  chown -R 65534:65534 "$scratch/s"
  expect 7 taskstore --store "$scratch/s" list-prds; has "$err" "belongs to user 65534"
  expect 7 env SUDO_UID=1 "$TASKSTORE" --store "$scratch/s" list-prds
  finds_both env SUDO_UID=65534 "$TASKSTORE" --store "$scratch/s"
  # Who is not root gains nothing by SUDO_UID.
  chown -R 0:0 "$scratch/s"
  expect 7 nobody env SUDO_UID=0 "$TASKSTORE" --store "$scratch/s" list-prds
  # A cache that another user left in one's own folder is replaced, not obeyed.
  chown -R 65534:65534 "$scratch/s" && chown 0:0 "$scratch"/s/store.db*
  finds_both nobody "$TASKSTORE" --store "$scratch/s"
  expect 0 nobody "$TASKSTORE" --store "$scratch/s" prd add --title three --id p3
  same "$(stat -c '%u %a' "$scratch/s/store.db")" "65534 600"
else
  echo "no CAP_SETUID over a second user: another user's store is tried on / alone"
  [ "$(stat -c %u /)" = "$(id -u)" ] || { expect 7 taskstore --store / list-prds; has "$err" "belongs to user"; }
fi

# --- missing rights ------------------------------------------------------------------------------
fresh_store
chmod 000 "$scratch/s/prds.jsonl"
expect 7 bare "$TASKSTORE" --store "$scratch/s" prd add --title x; has "$err" "prds.jsonl"
rm "$scratch"/s/store.db*; expect 7 bare "$TASKSTORE" --store "$scratch/s" list-prds; has "$err" "prds.jsonl"
chmod 644 "$scratch/s/prds.jsonl"; finds_both bare "$TASKSTORE" --store "$scratch/s"
chmod 444 "$scratch/s/prds.jsonl"; before=$(ledger "$scratch/s")
expect 7 bare "$TASKSTORE" --store "$scratch/s" prd add --title x; finds_both bare "$TASKSTORE" --store "$scratch/s"
same "$(ledger "$scratch/s")" "$before"; chmod 644 "$scratch/s/prds.jsonl"
for mode in 000 400; do
  chmod $mode "$scratch/s/store.db"; finds_both bare "$TASKSTORE" --store "$scratch/s"
  expect 0 bare "$TASKSTORE" --store "$scratch/s" prd add --title "with a store.db of mode $mode"
  expect 0 taskstore --store "$scratch/s" list-prds; has "$out" "mode $mode"
done
fresh_store
chmod 000 "$scratch/s/lock"; finds_both bare "$TASKSTORE" --store "$scratch/s"
expect 7 bare "$TASKSTORE" --store "$scratch/s" prd add --title x; chmod 644 "$scratch/s/lock"
rm "$scratch"/s/store.db*; chmod -R a-w "$scratch/s"
finds_both bare "$TASKSTORE" --store "$scratch/s"; has "$err" "cannot be written"
expect 7 bare "$TASKSTORE" --store "$scratch/s" prd add --title x
[ -e "$scratch/s/store.db" ] && bad "a store.db in a folder without rights"
chmod -R u+w "$scratch/s"; chmod 000 "$scratch/s"
expect 7 bare "$TASKSTORE" --store "$scratch/s" list-prds; chmod 755 "$scratch/s"
finds_both bare "$TASKSTORE" --store "$scratch/s"

# --- foreign things in the folder ----------------------------------------------------------------
fresh_store
mkdir "$scratch/s/x.jsonl"; mkfifo "$scratch/s/pipe.jsonl"; ln -s /nowhere "$scratch/s/gone.jsonl"; ln -s /dev/zero "$scratch/s/zero.jsonl"
printf '{"id":"latin","t":"caf\xe9"}\n\xff\xfe\x00\n{"id":"fine","t":1}\n' > "$scratch/s/notes.jsonl"
expect 0 timeout 20 "$TASKSTORE" --store "$scratch/s" sync; has "$err" "2 damaged lines"
expect 0 timeout 20 "$TASKSTORE" --store "$scratch/s" doctor
for name in x.jsonl pipe.jsonl gone.jsonl zero.jsonl 'notes.jsonl, line 1, column' 'notes.jsonl, line 2, column'; do has "$out" "$name"; done
expect 0 taskstore --store "$scratch/s" record get notes fine
printf '{"id":"p1","title":"cut' >> "$scratch/s/prds.jsonl"
expect 0 taskstore --store "$scratch/s" doctor; has "$out" "torn_tail"
finds_both taskstore --store "$scratch/s"
expect 7 timeout 20 "$TASKSTORE" --store "$scratch/s" record add x t=1; has "$err" "x.jsonl' is not a regular file"
printf 'cut here too' > "$scratch/cut"; head -c 40 "$scratch/s/prds.jsonl" > "$scratch/short" && cp "$scratch/short" "$scratch/s/prds.jsonl"
expect 0 taskstore --store "$scratch/s" list-prds; has "$out" "No PRDs found"

# --- folders where files belong, and the other way round -------------------------------------------
for name in store.db lock; do
  fresh_store; rm -f "$scratch"/s/store.db* "$scratch/s/lock"; mkdir "$scratch/s/$name"
  finds_both taskstore --store "$scratch/s"; has "$err" "$name"
  expect 6 taskstore --store "$scratch/s" prd add --title x; has "$err" "$name"
  expect 6 taskstore --store "$scratch/s" sync --rebuild; has "$err" "$name"
  rmdir "$scratch/s/$name"; expect 0 taskstore --store "$scratch/s" prd add --title x
done
fresh_store; mv "$scratch/s/prds.jsonl" "$scratch/away"; mkdir "$scratch/s/prds.jsonl"
for verb in "list-prds" "show prd p1" "history p1" "prd set p1 --title x" "prd add --title x" sync "sync --rebuild" stats "state --hash"; do
  expect 7 taskstore --store "$scratch/s" $verb; has "$err" "prds.jsonl' is not a regular file"
done
# A link in the place of a file may lead to anybody's: it is neither read nor written.
mkdir "$scratch/l" && expect 0 taskstore init --store "$scratch/l"
sqlite3 "$scratch/theirs.db" 'CREATE TABLE t(a)'
before=$(sha256sum < "$scratch/theirs.db")
rm -f "$scratch/l"/store.db*; ln -s "$scratch/theirs.db" "$scratch/l/store.db"
expect 0 taskstore --store "$scratch/l" list-prds
expect 6 taskstore --store "$scratch/l" prd add --title x; has "$err" "no regular file"
same "$(sha256sum < "$scratch/theirs.db")" "$before"
rm "$scratch/l/store.db" "$scratch/l/prds.jsonl"; echo '{"id":"a","title":"theirs","updated_at":1}' > "$scratch/theirs.jsonl"
ln -s "$scratch/theirs.jsonl" "$scratch/l/prds.jsonl"
expect 7 taskstore --store "$scratch/l" prd add --title x; has "$err" "not a regular file"
for verb in sync stats "state --hash"; do expect 7 taskstore --store "$scratch/l" $verb; has "$err" "prds.jsonl' is not a regular file"; done
expect 0 taskstore --store "$scratch/l" doctor; has "$out" "not a regular file"
same "$(cat "$scratch/theirs.jsonl")" '{"id":"a","title":"theirs","updated_at":1}'
rm -r "$scratch/l"

mkdir "$scratch/w"; echo not a folder > "$scratch/w/.taskstore"
for verb in init sync list-prds; do expect 6 taskstore -C "$scratch/w" $verb; has "$err" ".taskstore' is not a folder"; done
same "$(cat "$scratch/w/.taskstore")" "not a folder"

# --- a store of the earlier program ----------------------------------------------------------------
rm -rf "$scratch/s"; mkdir "$scratch/s"; echo '1  # Current schema version' > "$scratch/s/.version"
printf '{"id":"p1","title":"old","status":"draft","updated_at":5}\n' > "$scratch/s/prds.jsonl"; printf 'taskstore.db' > "$scratch/s/.gitignore"
cp -r "$scratch/s" "$scratch/old"
for verb in list-prds sync "prd set p1 --title new"; do
  rm -rf "$scratch/s"; cp -r "$scratch/old" "$scratch/s"; before=$(cat "$scratch/s/prds.jsonl")
  expect 0 taskstore --store "$scratch/s" $verb
  for line in taskstore.db 'store.db*' lock run/; do grep -qxF "$line" "$scratch/s/.gitignore" || bad "no $line in .gitignore after $verb"; done
  case $verb in prd*) ;; *) same "$(cat "$scratch/s/prds.jsonl")" "$before" ;; esac
done
rm -rf "$scratch/old"

# --- a writer that holds the lock ------------------------------------------------------------------
fresh_store; expect 0 taskstore --store "$scratch/s" history p1
exec 9>>"$scratch/s/lock"; flock 9
printf '{"id":"p9","title":"nine","status":"ready","updated_at":9}\n' >> "$scratch/s/prds.jsonl"
finds_both timeout 20 "$TASKSTORE" --store "$scratch/s"; same "$err" ""
expect 0 timeout 20 "$TASKSTORE" --store "$scratch/s" history p1
rm "$scratch"/s/store.db*
finds_both timeout 20 "$TASKSTORE" --store "$scratch/s"; has "$out" nine; has "$err" "read into memory"
expect 0 timeout 20 "$TASKSTORE" --store "$scratch/s" history p1
expect 124 timeout 1 "$TASKSTORE" --store "$scratch/s" prd add --title "waits its turn"
flock -u 9; exec 9>&-
expect 0 taskstore --store "$scratch/s" list-prds --status ready; has "$out" nine

# --- the cache taken away under load ---------------------------------------------------------------
fresh_store
creates=25; [ -n "${TASKSTORE_FULL:-}" ] && creates=300
( while [ ! -e "$scratch/stop" ]; do rm -f "$scratch"/s/store.db*; sleep 0.02; done ) & remover=$!
writers=()
for who in a b; do
  ( for ((i = 0; i < creates; ++i)); do
      taskstore --store "$scratch/s" prd add --title "$who$i" --id "$who$i" --quiet >/dev/null 2>"$scratch/err-$who" || { echo "create $who$i gave $?: $(cat "$scratch/err-$who")" >&2; exit 1; }
      taskstore --store "$scratch/s" show prd "$who$i" >/dev/null 2>"$scratch/err-$who" || { echo "show $who$i gave $?: $(cat "$scratch/err-$who")" >&2; exit 1; }
    done ) & writers+=($!)
done
for writer in "${writers[@]}"; do wait "$writer" || bad "a create or a read of what was created failed while store.db was taken away"; done
touch "$scratch/stop"; wait "$remover"
expect 0 taskstore --store "$scratch/s" list-prds --json
same "$(grep -o '"id":"[ab][0-9]*"' <<<"$out" | sort -u | wc -l)" $((2 * creates))

# --- the ledger under the cache ------------------------------------------------------------------
# Inode, size, both ends and mtime stay; the middle changes.
fresh_store
expect 0 taskstore --store "$scratch/s" prd add --title three --id p3
python3 - "$scratch/s/prds.jsonl" <<'PY'
import os, sys
path = sys.argv[1]; before = os.stat(path)
with open(path, "r+b") as file:
    text = file.read(); at = text.index(b'"two"'); file.seek(at); file.write(b'"TWO"')
os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
after = os.stat(path)
assert (before.st_ino, before.st_size, before.st_mtime_ns) == (after.st_ino, after.st_size, after.st_mtime_ns)
PY
expect 0 taskstore --store "$scratch/s" list-prds --status ready; has "$out" "TWO"
# An older file of the same size comes back with its old mtime, as a backup restores it.
cp -p "$scratch/s/prds.jsonl" "$scratch/older"
expect 0 taskstore --store "$scratch/s" prd set p1 --status ready; expect 0 taskstore --store "$scratch/s" list-prds --status ready; has "$out" "one"
cp -p "$scratch/older" "$scratch/s/prds.jsonl"
expect 0 taskstore --store "$scratch/s" list-prds --status draft; has "$out" "one"
rm "$scratch/s/prds.jsonl"; expect 0 taskstore --store "$scratch/s" list-prds; has "$out" "No PRDs found"

# --- the cache cut, flipped, taken away ----------------------------------------------------------
fresh_store
for i in 1 2 3 4 5 6; do expect 0 taskstore --store "$scratch/s" prd set p1 --description "round $i"; done
mkdir "$scratch/good" && cp "$scratch"/s/store.db* "$scratch/good/"
seed=${SEED:-$RANDOM}; RANDOM=$seed; echo "seed $seed"
rounds=12; [ -n "${TASKSTORE_FULL:-}" ] && rounds=300
for ((round = 0; round < rounds; ++round)); do
  rm -f "$scratch"/s/store.db*; cp "$scratch"/good/store.db* "$scratch/s/"
  python3 - "$scratch/s" "$((RANDOM * 32768 + RANDOM))" "$round" <<'PY'
import os, random, sys
folder, seed, round = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
chance = random.Random(seed)
names = sorted(n for n in os.listdir(folder) if n.startswith("store.db"))
path = os.path.join(folder, chance.choice(names))
size = os.path.getsize(path)
if round % 3 == 0: os.truncate(path, chance.randrange(size + 1)); what = "cut"
elif round % 3 == 1: os.unlink(path); what = "gone"
else:
    with open(path, "r+b") as file:
        at = chance.randrange(size); file.seek(at); byte = file.read(1)[0]
        file.seek(at); file.write(bytes([byte ^ 1 << chance.randrange(8)])); what = "flipped at %d" % at
print(os.path.basename(path), "of", size, what, "seed", seed)
PY
  finds_both taskstore --store "$scratch/s"
done > "$scratch/rounds"
[ "$failures" -eq 0 ] || cat "$scratch/rounds" >&2

# --- no room, without a mount: no file may grow beyond 8 KiB ----------------------------------------
limited() { ( trap '' XFSZ; ulimit -f 8; exec "$@" ); }
fresh_store; head -c 9000 /dev/zero | tr '\0' y > "$scratch/text"
expect 0 taskstore --store "$scratch/s" prd add --title long --id p3 --content "$scratch/text" --status active
rm "$scratch"/s/store.db*; before=$(ledger "$scratch/s")
finds_both limited "$TASKSTORE" --store "$scratch/s"; has "$err" "cannot be written"
expect 0 limited "$TASKSTORE" --store "$scratch/s" history p1; expect 0 limited "$TASKSTORE" --store "$scratch/s" stats
expect 1 limited "$TASKSTORE" --store "$scratch/s" prd add --title x; has "$err" "cannot be written"
same "$(ledger "$scratch/s")" "$before"
for file in "$scratch"/s/store.db* "$scratch"/s/.*.tmp*; do [ ! -e "$file" ] || bad "$file was left behind"; done
expect 0 taskstore --store "$scratch/s" list-prds   # a cache, now that there is room
expect 1 limited "$TASKSTORE" --store "$scratch/s" prd add --title x
finds_both limited "$TASKSTORE" --store "$scratch/s"; same "$(ledger "$scratch/s")" "$before"

if [ "$HOSTILE_MOUNTS" = yes ]; then
  # --- a read-only file system -------------------------------------------------------------------
  mkdir -p "$scratch/ro" "$scratch/full"
  for state in cached uncached behind; do
    fresh_store
    [ $state = uncached ] && rm "$scratch"/s/store.db*
    [ $state = behind ] && printf '{"id":"p9","title":"nine","status":"ready","updated_at":9}\n' >> "$scratch/s/prds.jsonl"
    before=$(ledger "$scratch/s")
    mount --bind "$scratch/s" "$scratch/ro" && mount -o remount,bind,ro "$scratch/ro" || bad "the read-only mount"
    finds_both taskstore --store "$scratch/ro"
    [ $state = behind ] && has "$out" "nine"
    expect 0 taskstore --store "$scratch/ro" sql "SELECT title FROM prds WHERE status='ready'"; has "$out" "two"
    expect 7 taskstore --store "$scratch/ro" sql "DELETE FROM prds"
    expect 0 taskstore --store "$scratch/ro" show prd p1; has "$out" "one"
    expect 0 taskstore --store "$scratch/ro" history p1
    expect 0 taskstore --store "$scratch/ro" stats
    expect 0 taskstore --store "$scratch/ro" doctor
    expect 0 taskstore --store "$scratch/ro" sync
    expect 7 taskstore --store "$scratch/ro" prd add --title x
    expect 7 taskstore --store "$scratch/ro" sync --rebuild
    hash=$(taskstore --store "$scratch/ro" state --hash --quiet)
    umount "$scratch/ro"
    same "$(taskstore --store "$scratch/s" state --hash)" "$hash"
    same "$(ledger "$scratch/s")" "$before"
  done

  # --- a full disk -------------------------------------------------------------------------------
  mount -t tmpfs -o size=3m tmpfs "$scratch/full" || bad "the small disk"
  expect 0 taskstore --store "$scratch/full/s" init
  head -c 2000000 /dev/zero > "$scratch/full/ballast"
  head -c 40000 /dev/zero | tr '\0' y > "$scratch/text"
  told=0
  for ((i = 0; i < 100; ++i)); do
    taskstore --store "$scratch/full/s" prd add --title "t$i" --content "$scratch/text" --id "f$i" --quiet >/dev/null 2>"$scratch/err" || break
    told=$((i + 1))
  done
  { [ "$told" -gt 3 ] && [ "$told" -lt 100 ]; } || bad "the disk was full after $told records"
  grep -qi 'space' "$scratch/err" || bad "no word of the full disk: $(cat "$scratch/err")"
  for ((i = 0; i < 3; ++i)); do taskstore --store "$scratch/full/s" prd add --title small --id "s$i" --quiet >/dev/null 2>&1 && echo "s$i"; done > "$scratch/small"
  all_there() {
    taskstore --store "$scratch/full/s" list-prds --status draft --json > "$scratch/listed" || bad "$1: the list failed: $(cat "$scratch/err")"
    python3 - "$scratch/listed" "$told" "$scratch/small" <<'PY' || bad "$1: not all acknowledged records are there"
import json, sys
got = {r["id"] for r in json.load(open(sys.argv[1]))["data"]}
want = {"f%d" % i for i in range(int(sys.argv[2]))} | set(open(sys.argv[3]).read().split())
if want - got: sys.exit("missing: %s" % sorted(want - got))
extra = got - want - {"f" + sys.argv[2], "s0", "s1", "s2", "after"}
if extra: sys.exit("too many: %s" % sorted(extra))
PY
  }
  all_there "on the full disk"
  python3 -c 'import json, sys; [json.loads(line) for line in open(sys.argv[1])]' "$scratch/full/s/prds.jsonl" || bad "a torn line in the ledger"
  rm "$scratch/full/ballast"
  all_there "with space again"
  expect 0 taskstore --store "$scratch/full/s" prd add --title after --id after
  hash=$(taskstore --store "$scratch/full/s" state --hash)
  expect 0 taskstore --store "$scratch/full/s" sync --rebuild; same "$(taskstore --store "$scratch/full/s" state --hash)" "$hash"
  # A disk without room for the cache at all still answers.
  rm -f "$scratch"/full/s/store.db*; head -c 9000000 /dev/zero > "$scratch/full/ballast" 2>/dev/null
  all_there "without room for a cache"
  umount "$scratch/full"
fi
finish
