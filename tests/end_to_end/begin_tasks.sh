# Sourced by the scripts beside it that are about tasks: begin.sh, a home, and what looks at answers.
. "$(dirname "${BASH_SOURCE[0]}")/begin.sh"
export TASKSTORE_HOME="$scratch/home"
export PATH="$(dirname "$TASKSTORE"):$PATH"
trap 'kill -9 $(jobs -p) 2>/dev/null; rm -rf "$scratch"' EXIT
# json ANSWER EXPRESSION…: what Python makes of it, where d is the answer's data.
json() { python3 -c 'import json,sys; d=json.loads(sys.argv[1])["data"]; print(eval(sys.argv[2]))' "$@"; }
show() { json "$(taskstore task show "$1" --history --json)" "$2"; }
# Nothing is watched here: looks are repeated until it is so, as long as the test may take.
until_true() { until eval "$1"; do command sleep 0.02; done; }
# add TITLE COMMAND OPTION…: a task for workers; prints its id.
add() { taskstore task add --quiet --title "$1" --shell --command "$2" "${@:3}"; }
