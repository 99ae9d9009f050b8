#!/usr/bin/env bash
# mistakes.sh MISTAKES.CPP COMPILER…: it compiles, and with each of its mistakes the compiler says the words beside it.
set -uo pipefail
file=$1
shift
includes=()
for folder in "$(dirname "$file")"/../../*/include; do includes+=(-I"$folder"); done
failures=0
compile() { "$1" -std=c++20 -fsyntax-only "${includes[@]}" "${@:2}" "$file" 2>&1; }
for compiler in "$@"; do
  said=$(compile "$compiler") || { echo "FAILED: $compiler, without a mistake: $said" >&2; failures=$((failures + 1)); }
  count=0
  while IFS=$'\t' read -r mistake words; do
    count=$((count + 1))
    if said=$(compile "$compiler" -D"$mistake"); then
      echo "FAILED: $compiler takes $mistake" >&2; failures=$((failures + 1))
    elif ! grep -qF -- "$words" <<<"$said"; then
      echo "FAILED: $compiler says nothing like '$words' of $mistake: $said" >&2; failures=$((failures + 1))
    fi
  done < <(sed -nE 's/^#(ifdef|ifndef|elif defined\() ?([A-Z_]+)\)? +\/\/ says: (.*)$/\2\t\3/p' "$file")
  [ "$count" -ge 12 ] || { echo "FAILED: only $count mistakes were found in $file" >&2; failures=$((failures + 1)); }
done
[ "$failures" -eq 0 ] || exit 1
echo "every mistake is told in plain words"
