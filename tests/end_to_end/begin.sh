# Sourced by the scripts beside it: a scratch folder, and checks that say what was expected.
set -uo pipefail
taskstore() { "$TASKSTORE" "$@"; }
TASKSTORE=$(realpath "$1")
export TASKSTORE_ACTOR=tester
unset TASKSTORE_DIR
export -n TASKSTORE_FULL  # a word of the tests, which the program would refuse
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
failures=0
bad() { echo "FAILED: $*" >&2; failures=$((failures + 1)); }
# expect CODE COMMAND…: runs it, its output in $out and $err
expect() {
  local want=$1 got=0
  shift
  "$@" >"$scratch/out" 2>"$scratch/err" || got=$?
  out=$(cat "$scratch/out")
  err=$(cat "$scratch/err")
  [ "$got" = "$want" ] || bad "'$*' gave $got, expected $want: $out $err"
}
has() { case "$1" in *"$2"*) ;; *) bad "no '$2' in: $1" ;; esac; }
lacks() { case "$1" in *"$2"*) bad "'$2' stands in: $1" ;; esac; }
same() { [ "$1" = "$2" ] || bad "'$1' is not '$2'"; }
finish() { [ "$failures" -eq 0 ] || { echo "$failures checks failed" >&2; exit 1; }; echo "all checks passed"; exit 0; }
id_of() { sed 's/.*"data":{"id":"\([^"]*\)".*/\1/' <<<"$1"; }
# use_driver PROGRAM: git, with settings of its own, merges ledger files with it.
use_driver() {
  export GIT_CONFIG_GLOBAL=$scratch/gitconfig
  git config --global user.name tester
  git config --global user.email tester@localhost
  git config --global merge.taskstore-merge.driver "'$1' %O %A %B %L %P"
  git config --global init.defaultBranch main
}
