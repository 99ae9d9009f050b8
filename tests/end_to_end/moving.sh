#!/usr/bin/env bash
# Moving in and out: every format, packed or not, twice, damaged, over pipes, and back again.
. "$(dirname "$0")/begin.sh"
git init -q . && expect 0 taskstore init

cat > issues.jsonl <<'EOF'
{"id":"bd-1","title":"Search","issue_type":"epic","status":"open","priority":0,"created_at":"2025-11-02T21:58:07.295058-08:00"}
{"id":"bd-2","title":"Index","status":"closed","priority":2,"labels":["db"],"comments":[{"id":1,"author":"kay","text":"done"}],"dependencies":[{"issue_id":"bd-2","depends_on_id":"bd-1","type":"parent-child"}],"created_at":"2025-11-03T00:00:00Z","updated_at":"2025-11-04T00:00:00Z"}
{"id":"bd-3","title":"Loose","status":"in_progress","assignee":"lee"}
{"id":"bd-4","title":"Old","status":"tombstone"}
EOF
expect 0 taskstore import issues.jsonl --dry-run; has "$out" "would import"; has "$out" "2 PRDs, 2 task specs"
expect 0 taskstore list-prds; has "$out" "No PRDs"
expect 0 taskstore import issues.jsonl; has "$out" "tracker issues, JSON"; has "$out" "2 PRDs, 2 task specs"; has "$out" "1 deleted in the source"
hash=$(taskstore state --hash)
expect 0 taskstore import issues.jsonl; has "$out" "nothing new"; same "$(taskstore state --hash)" "$hash"
expect 0 taskstore spec show bd-2 --json; has "$out" '"prd_id":"bd-1"'; has "$out" '"labels":["db"]'; has "$out" '"author":"kay"'; has "$out" '"status":"complete"'
expect 0 taskstore list-prds; has "$out" "issues"
expect 0 taskstore spec set bd-3 --status failed
sed -i 's/"Loose"/"Loose end"/' issues.jsonl; expect 0 taskstore import issues.jsonl; has "$out" "changed: 1 task spec"
expect 0 taskstore spec show bd-3 --json; has "$out" '"phase_name":"Loose end"'; has "$out" '"status":"failed"'

# Under another name it is the same: specs keep the PRD that they have.
hash=$(taskstore state --hash); cp issues.jsonl copy.json
expect 0 taskstore import copy.json; has "$out" "nothing new"; expect 0 taskstore import - < copy.json; has "$out" "nothing new"
same "$(taskstore state --hash)" "$hash"

# A dry run needs no store, and leaves none.
git init -q "$scratch/fresh"
expect 0 taskstore -C "$scratch/fresh" import "$scratch/issues.jsonl" --dry-run; has "$out" "would import"; has "$out" "2 task specs"
[ -e "$scratch/fresh/.taskstore" ] && bad "a dry run made a store"
expect 3 taskstore -C /proc import "$scratch/issues.jsonl" --dry-run

# Packed files and pipes: by their bytes, whatever they are called.
for pack in "gzip -c" "xz -c"; do
  $pack issues.jsonl > packed.bin; expect 0 taskstore --store "$scratch/by-${pack%% *}" init
  expect 0 taskstore --store "$scratch/by-${pack%% *}" import packed.bin; has "$out" "JSON, ${pack%% *}"; has "$out" "2 task specs"
done
head -c 100 packed.bin > cut.bin; expect 6 taskstore import cut.bin; has "$err" "ends too early"
taskstore --store "$scratch/piped" init > /dev/null; expect 0 taskstore --store "$scratch/piped" import - < packed.bin; has "$out" "2 task specs"
expect 0 taskstore --store "$scratch/piped" import <(cat issues.jsonl); has "$out" "nothing new"

# What is damaged is listed with its place; --strict takes nothing then.
printf '{"id":"d-1","title":"Good","status":"open"}\n{"id":"d-2","title":}\n' > damaged.jsonl
expect 1 taskstore import damaged.jsonl --strict; has "$err" "line 2 column 21"; expect 3 taskstore spec show d-1
expect 0 taskstore import damaged.jsonl; has "$err" "damaged.jsonl:2:21: left out"; has "$out" "1 task spec"
expect 0 taskstore import damaged.jsonl --json
python3 -c 'import json,sys; d=json.loads(sys.argv[1])["data"]; assert d["damaged"]==[{"line":2,"column":21,"reason":d["damaged"][0]["reason"]}] and d["collections"]["task_specs"]["unchanged"]==1, d' "$out" || bad "import --json: $out"

# Nothing, and nothing whole.
for text in '' '\n' '[]' '[ ]\n'; do
  printf "$text" > empty; expect 0 taskstore import empty; has "$out" "nothing to import"; expect 1 taskstore import empty --strict; has "$err" "nothing to import"
done
expect 0 taskstore import - < /dev/null; has "$out" "nothing to import"; expect 0 taskstore import /dev/null
printf '[{"number":1,' > cut.json; expect 2 taskstore import cut.json; has "$err" "line 1 column 2"; has "$err" "does not end"
expect 2 taskstore import cut.json --from github; has "$err" "nothing of it can be taken in"

# The other formats.
printf '[\n{"id":1,"uuid":"6f9619ff-8b86-d011-b42d-00cf4fc964ff","description":"Mow","status":"pending","entry":"20240131T120000Z","project":"garden","tags":["out"]},\n{"id":0,"uuid":"7f9619ff-8b86-d011-b42d-00cf4fc964ff","description":"Sow","status":"completed","entry":"20240131T120000Z"}\n]\n' > tw.json
expect 0 taskstore import tw.json; has "$out" "Taskwarrior tasks"; has "$out" "2 PRDs, 2 task specs"
expect 0 taskstore list-prds; has "$out" "garden"
printf '[{"number":7,"title":"Crash","state":"CLOSED","stateReason":"NOT_PLANNED","body":"boom","url":"https://github.com/o/r/issues/7","labels":[{"name":"bug"}],"createdAt":"2024-01-31T00:00:00Z"}]' > gh.json
expect 0 taskstore import gh.json; has "$out" "GitHub issues"; expect 0 taskstore spec show 'o/r#7' --json; has "$out" '"content":"boom"'; has "$out" '"labels":[{"name":"bug"}]'
printf 'ID,Title,Status,Assignee\r\nc-1,"One, with ""quotes""\nand a line",Done,kay\r\n' > table.csv
expect 0 taskstore import table.csv; has "$out" "table of tasks, CSV"; expect 0 taskstore spec show c-1 --json; has "$out" '"assigned_to":"kay"'; has "$out" 'One, with \"quotes\"\nand a line'
printf 'id,name,n\na,Ann,1.50\nb,Bob,\n' > people.csv
expect 0 taskstore import people.csv --to people; has "$out" "2 people"; expect 0 taskstore record get people a; has "$out" "1.50"
printf 'nothing known\n' > prose.txt; expect 2 taskstore import prose.txt; has "$err" "--from"
expect 2 taskstore import table.csv --from trackr; has "$err" "did you mean 'tracker'"
expect 2 taskstore import .; has "$err" "is a folder"
printf '{"id":"z","x":1}\n' > plain.jsonl; expect 2 taskstore import plain.jsonl; has "$err" "--to"

# Out and in again: the same records, whatever the format.
expect 0 taskstore record add notes text='"1"' n=1 --id n1; expect 0 taskstore record set notes n1 other=
strip() { sed -E 's/"updated_at":[0-9]+/"updated_at":0/' "$1"; }
expect 0 taskstore export -o all.jsonl; has "$out" "people"
for format in jsonl csv; do
  expect 0 taskstore export --format $format --output "all.$format"
  expect 0 taskstore --store "$scratch/of-$format" init; expect 0 taskstore --store "$scratch/of-$format" import "all.$format"; has "$out" "taskstore export"
  "$TASKSTORE" --store "$scratch/of-$format" export > again.jsonl || bad "export to stdout"
  python3 - all.jsonl again.jsonl <<'EOF' || bad "the import of a $format export is another"
import json, sys
def read(path):
    records = [json.loads(line, parse_float=str, parse_int=str) for line in open(path)]
    for record in records: record.pop("updated_at")
    return records
assert read(sys.argv[1]) == read(sys.argv[2])
EOF
  expect 0 taskstore --store "$scratch/of-$format" import "all.$format"; has "$out" "nothing new"
done
same "$(strip again.jsonl | wc -l)" "$(wc -l < all.jsonl)"
expect 0 taskstore export --format markdown -o plan.md; has "$err" "'notes' is left out"
hash=$(taskstore state --hash); expect 0 taskstore import plan.md; has "$out" "nothing new"; same "$(taskstore state --hash)" "$hash"
sed -i 's/^- \[ \] Mow/- [x] Mow/' plan.md; expect 0 taskstore import plan.md; has "$out" "changed: 1 task spec"
expect 2 taskstore export notes --format markdown; expect 3 taskstore export nowhere; expect 2 taskstore export --format yaml
expect 2 taskstore export --json; has "$err" "--output"; expect 0 taskstore export notes --json -o notes.jsonl; has "$out" '"collections":{"notes":1}'
expect 0 taskstore export spec --stamps; has "$out" '"_stamps":{"v":1'
taskstore export --stamps > stamped.jsonl; expect 0 taskstore --store "$scratch/stamped" init; expect 0 taskstore --store "$scratch/stamped" import stamped.jsonl --strict
"$TASKSTORE" export > /dev/full 2>"$scratch/err" && bad "a full disk went unseen"
printf 'keep' > kept; chmod 500 . ; if [ "$(id -u)" != 0 ]; then expect 7 taskstore export -o kept; fi; chmod 700 .; same "$(cat kept)" "keep"
mkdir -p folder; expect 2 taskstore export -o folder
same "$(find . -name '.*.tmp')" ""

# Deleted here stays deleted, unless asked for.
expect 0 taskstore spec rm c-1; expect 0 taskstore import table.csv; has "$out" "deleted here"
expect 0 taskstore import table.csv --revive; has "$out" "1 task spec"
finish
