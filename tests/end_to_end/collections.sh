#!/usr/bin/env bash
# collections.sh PROGRAM: collections that people declare, on one machine and on a clone of it.
. "$(dirname "$0")/begin.sh"
lacks() { case "$1" in *"$2"*) bad "'$2' in: $1" ;; esac; }
json() { python3 -c 'import json,sys; d=json.loads(sys.argv[1]); print(eval(sys.argv[2]))' "$1" "$2"; }

cat > bug.json <<'JSON'
{
  "title": "A bug",
  "type": "object",
  "properties": {
    "title": {"type": "string", "minLength": 3},
    "severity": {"type": "integer", "minimum": 1, "maximum": 5, "default": 3},
    "owner": {"type": ["string", "null"]},
    "area": {"enum": ["Parser", "store"]},
    "open": {"type": "boolean"},
    "tags": {"type": "array", "items": {"type": "string"}}
  },
  "required": ["title"]
}
JSON
echo '{"initial": "open", "transitions": {"open": ["doing"], "doing": ["done", "open"]}}' > states.json
mkdir one && git init -q one && cd one

# What cannot be is said before anything is made.
expect 2 taskstore collection add bugs; has "$err" "--schema"
expect 2 taskstore collection add bugs --schema ../bug.json --index sevrity; has "$err" "did you mean 'severity'"
echo '{"type": "strin"}' > ../bad.json
expect 2 taskstore collection add bugs --schema ../bad.json; has "$err" "/type"
expect 4 taskstore collection add prd --schema ../bug.json; has "$err" "built-in"
expect 2 taskstore collection add 'a b' --schema ../bug.json
expect 2 taskstore collection add bugs --schema /dev/zero; has "$err" "larger than 8 MiB"
expect 2 taskstore collection add bugs --schema /tmp; has "$err" "is a folder"; lacks "$err" "move it"
expect 2 taskstore collection add bugs --schema /dev/null; has "$err" "is empty"
expect 2 taskstore collection add bugs --schema <(echo '{"a":1,"a":2}'); has "$err" "'a' stands twice"
[ ! -e .taskstore ] || bad "a store was made for nothing"

expect 0 taskstore collection add bugs --schema ../bug.json --index severity --index owner --status-table ../states.json
has "$out" "indexes: severity, owner, status"
expect 4 taskstore collection add bugs --schema ../bug.json; has "$err" "collection set bugs"
git check-ignore -q .taskstore/schemas/bugs.json && bad "the schema is ignored by git"
expect 0 taskstore collection list --json
same "$(json "$out" '[(c["type"],c["indexes"],c["misfits"]) for c in d["data"] if c["name"]=="bugs"]')" "[('declared', ['severity', 'owner', 'status'], 0)]"

# The verbs of records.
expect 0 taskstore record add bugs --id b1 title='Crash at start' area=parser open=true 'tags=["x"]'
expect 0 taskstore record get bugs b1; has "$out" '"severity": 3'; has "$out" '"status": "open"'; has "$out" '"area": "Parser"'
expect 2 taskstore record add bugs --id b2 title=x severity=9 area=none open=maybe
for part in /title /severity /area /open "(schema: /properties/severity/maximum)" "--force"; do has "$err" "$part"; done
expect 2 taskstore record add bugs --id b2 title=x severity=9 --json
same "$(json "$err" '[r.split(":")[0] for r in d["error"]["reasons"]]')" "['/title', '/severity']"
expect 3 taskstore record get bugs b2
expect 0 taskstore record add bugs --id b2 title=x severity=5 --force; expect 0 taskstore history b2; has "$out" "(forced)"
expect 4 taskstore record set bugs b1 status=done; has "$err" "from open it goes to doing"
expect 0 taskstore record set bugs b1 status=Doing; expect 0 taskstore record set bugs b1 status=doing; same "$out" "unchanged bugs b1"
expect 2 taskstore record set bugs b1 title=; has "$err" "title"
expect 0 taskstore record list bugs -f 'severity>3' --json; same "$(json "$out" '[r["id"] for r in d["data"]]')" "['b2']"
expect 0 taskstore record list bugs --order -severity --json; same "$(json "$out" '[r["id"] for r in d["data"]]')" "['b2', 'b1']"
expect 0 taskstore record list bugs --status doing --count; same "$out" 1
expect 0 taskstore record list bugs -f 'sevrity=3 OR zzz=1' --order owner; has "$err" "names no 'sevrity': did you mean 'severity'?"; has "$err" "names no 'zzz', which its records may have"; lacks "$err" "'owner'"
expect 0 taskstore record list bugs -f 'severity=3 AND status=doing AND id=b1' --count; same "$err" ""
expect 0 taskstore record list bugs; has "$out" "SEVERITY"; has "$out" "Crash at start"
expect 2 taskstore record list bugs -f severity=high; has "$err" "whole number"
expect 0 taskstore show bugs b1; has "$out" "Crash at start"
expect 0 taskstore stats; has "$out" "doing"
expect 0 taskstore sql 'SELECT title FROM bugs WHERE severity=3'; has "$out" "Crash"
expect 0 taskstore doctor; has "$out" "bugs b2"; has "$out" "/title"
expect 0 taskstore collection show bugs; has "$out" '"x-taskstore"'; has "$out" "of which 1 does not fit"; has "$out" "b2"
expect 0 taskstore collection show bugs --json; same "$(json "$out" '(d["data"]["misfits"], d["data"]["initial_status"], d["data"]["schema"]["title"])')" "(1, 'open', 'A bug')"

# In and out: what does not fit is named and left out; an export comes back as it was.
printf 'id,title,severity,open\ni1,From a table,4,true\ni2,x,7,maybe\n' > ../in.csv
expect 0 taskstore import ../in.csv --to bugs; has "$err" "/severity"; has "$err" "/open"
expect 0 taskstore record get bugs i1; has "$out" '"severity": 4'; has "$out" '"open": true'; has "$out" '"status": "open"'
expect 3 taskstore record get bugs i2
expect 0 taskstore import ../in.csv --to bugs; has "$out" "nothing new"
expect 1 taskstore import ../in.csv --to bugs --strict
expect 0 taskstore state --hash; hash=$out
expect 0 taskstore export --output ../out.jsonl
git add -A && git -c user.name=a -c user.email=a@b commit -qm one

# A clone knows the collection at once.
git clone -q . ../two && cd ../two
expect 2 taskstore record add bugs title=x; has "$err" "/title"
expect 0 taskstore record list bugs -f severity=4 --count; same "$out" 1
expect 0 taskstore state --hash; same "$out" "$hash"
mkdir ../three && git init -q ../three && cd ../three
expect 0 taskstore import ../out.jsonl --strict; has "$out" "declared: bugs"
cmp ../one/.taskstore/schemas/bugs.json .taskstore/schemas/bugs.json || bad "the declaration came in as another"
expect 0 taskstore export --format csv -o ../out.csv; has "$err" "'bugs' comes in untyped"
expect 0 taskstore record list bugs -f severity=4 --count; same "$out" 1
expect 0 taskstore doctor; has "$out" "bugs b2"

# A schema that changes elsewhere lists what no longer fits, and refuses nothing but what is written.
cd ../two
sed -i 's/"maximum": 5/"maximum": 3/; s/"minLength": 3/"minLength": 1/' .taskstore/schemas/bugs.json
git -c user.name=a -c user.email=a@b commit -qam stricter && cd ../one && git pull -q ../two
expect 0 taskstore collection list --json; same "$(json "$out" '[c["misfits"] for c in d["data"] if c["name"]=="bugs"]')" "[2]"
expect 0 taskstore sync; lacks "$err" "built again"
expect 0 taskstore record list bugs --count; same "$out" 3
expect 2 taskstore record set bugs i1 title=Other; expect 0 taskstore record set bugs i1 title=Other severity=2
expect 0 taskstore collection set bugs --schema ../bug.json --no-index --no-status-table; has "$out" "3 records, of which 1 does not fit"
lacks "$(cat .taskstore/schemas/bugs.json)" x-taskstore
expect 0 taskstore collection set bugs --schema ../bug.json; has "$out" unchanged

# A damaged schema: untyped until it is mended.
cp .taskstore/schemas/bugs.json ../whole.json; echo '<<<<<<< ours' > .taskstore/schemas/bugs.json
expect 0 taskstore record add bugs --id b3 title=x
expect 0 taskstore doctor; has "$out" "schemas/bugs.json"; has "$out" "collection set bugs --schema"
expect 0 taskstore collection list; has "$out" damaged
expect 6 taskstore collection show bugs
expect 0 taskstore collection set bugs --schema ../whole.json; has "$out" "4 records, of which 2 do not fit"
expect 0 taskstore record rm bugs b3

# Declared no more: the records stay.
expect 0 taskstore collection rm bugs; has "$out" "its 3 records stay, untyped"
expect 0 taskstore record list bugs --count; same "$out" 3
expect 0 taskstore collection list; has "$out" untyped
expect 3 taskstore collection rm bugs; expect 3 taskstore collection set bugs --schema ../bug.json; has "$err" "collection add bugs"
expect 3 taskstore collection show bugs; has "$err" "it has 3 records"
finish
