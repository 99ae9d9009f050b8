#!/usr/bin/env bash
# run.sh PROGRAM SOURCE: what docs/compatibility.md claims. Each tests/compat/N-NAME.cases holds the checks of founding
# document N, run from top to bottom in one scratch repository:
#   case 2.9 words     the row of the document that the checks below it stand for
#   $ command          run by bash, with `taskstore` as the program and `store` as its .taskstore folder
#   has: text          the output (stdout and stderr) of the command holds the text; not: it does not
#   exit: N            the command's status, where it is not 0
# And each row of the document that says "checked" has a case, each case a row.
source=$(realpath "$2")
. "$(dirname "$0")/../end_to_end/begin.sh"
document=$source/docs/compatibility.md
store=.taskstore
ran=0
for file in "$source"/tests/compat/*.cases; do
  mkdir "$scratch/$(basename "$file" .cases)"
  cd "$scratch/$(basename "$file" .cases)" || exit 1
  git init -q .
  row='' command='' output='' status=0 wanted=0
  settle() { [ -z "$command" ] || [ "$status" = "$wanted" ] || bad "$row: '$command' gave $status, expected $wanted: $output"; command=''; }
  while IFS= read -r line || [ -n "$line" ]; do
    case "$line" in
      '' | '#'*) ;;
      'case '*)
        settle
        row=${line#case }; row=${row%% *}
        grep -qF "| $row | " "$document" || bad "$row has no row in docs/compatibility.md"
        grep -F "| $row | " "$document" | grep -q '| checked |$' || bad "$row is checked, but its row does not say so"
        ;;
      '$ '*)
        settle
        command=${line#??} wanted=0 status=0
        eval "$command" >"$scratch/out" 2>&1 || status=$?
        output=$(cat "$scratch/out")
        ran=$((ran + 1))
        ;;
      '  has: '*) case "$output" in *"${line#  has: }"*) ;; *) bad "$row: no '${line#  has: }' in the output of '$command': $output" ;; esac ;;
      '  not: '*) case "$output" in *"${line#  not: }"*) bad "$row: '${line#  not: }' in the output of '$command': $output" ;; *) ;; esac ;;
      '  exit: '*) wanted=${line#  exit: } ;;
      *) bad "$file: cannot read '$line'" ;;
    esac
  done <"$file"
  settle
done
while read -r row; do
  grep -qh "^case $row " "$source"/tests/compat/*.cases || bad "$row says that it is checked, and is not: add its case to tests/compat"
done < <(sed -n 's/^| \([0-9.]*\) | .*| checked |$/\1/p' "$document")
[ "$ran" -gt 50 ] || bad "only $ran commands ran"
finish
