#!/usr/bin/env bash
# Completions and the man page: made from the command table, taken by the shells and by groff as they are.
. "$(dirname "$0")/begin.sh"
PATH=$(dirname "$TASKSTORE"):$PATH

# complete_bash WORD…: what bash offers for the last word
complete_bash() {
  bash -c 'source <(taskstore completion bash); COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _taskstore 2>/dev/null; echo "${COMPREPLY[*]}"' - "$@"
}
same "$(complete_bash taskstore prd s)" "set show"
same "$(complete_bash taskstore -C /tmp list-p)" "list-prds"
same "$(complete_bash taskstore prd set x --status '')" "draft ready active complete cancelled"
same "$(complete_bash taskstore spec add --phase)" "--phase-name"
same "$(complete_bash taskstore task dea)" "dead"
same "$(complete_bash taskstore task dead '')" "list retry drop"
same "$(complete_bash taskstore task dead list --all)" "--all-projects"
same "$(complete_bash taskstore import --from g)" "github"
same "$(complete_bash taskstore export --format c)" "csv"
git init -q . && taskstore --quiet sync && echo '{}' > any.json && taskstore --quiet collection add bugs --schema any.json && taskstore --quiet record add notes n=1
same "$(complete_bash taskstore record add b)" "bugs"
same "$(complete_bash taskstore record list n)" "notes"
same "$(complete_bash taskstore collection show '')" "bugs"
same "$(complete_bash taskstore -C "$PWD" import x.csv --to n)" "notes"
same "$(cd / && complete_bash taskstore -C "$scratch" record get b)" "bugs"
same "$(complete_bash taskstore record get bugs b)" ""
touch somewhere.md; same "$(complete_bash taskstore import some)" "somewhere.md"

taskstore completion zsh > _taskstore; zsh -n _taskstore || bad "zsh does not read its completions"
taskstore completion fish > taskstore.fish; fish -n taskstore.fish || bad "fish does not read its completions"
complete_fish() { fish -c 'source taskstore.fish; complete -C "$argv"' "$@" | cut -f1 | tr '\n' ' '; }
same "$(complete_fish 'taskstore prd s')" "set show "
has "$(complete_fish 'taskstore prd set x --status ')" "cancelled "
same "$(complete_fish 'taskstore task dea')" "dead "
same "$(complete_fish 'taskstore task dead ')" "drop list retry "
has "$(complete_fish 'taskstore sync --')" "--rebuild "
has "$(complete_fish 'taskstore import --from ')" "github "
same "$(complete_fish 'taskstore record add b')" "bugs "
same "$(complete_fish 'taskstore record add bugs b')" ""
has "$(complete_fish 'taskstore import x --to ')" "notes "

# Each command is in all of them.
taskstore --help --json > overview.json
for script in bash zsh fish; do
  taskstore completion $script > script
  python3 - overview.json script <<'PY' || bad "$script: a command is missing"
import json, sys
text = open(sys.argv[2]).read()
sys.exit(any(row["command"].split()[-1] not in text for row in json.load(open(sys.argv[1]))["data"]))
PY
done

taskstore manual > taskstore.1
told=$(groff -man -ww -z -Tutf8 taskstore.1 2>&1); same "$told" ""
groff -man -Tutf8 -P-cbou taskstore.1 > page
for words in "taskstore prd add" "EXIT STATUS"; do grep -q "$words" page || bad "no '$words' in the man page"; done
expect 2 taskstore completion tcsh; has "$err" "bash, zsh and fish"
expect 0 taskstore manual --json; has "$out" '"kind":"manual"'
finish
