#!/usr/bin/env bash
# Style that a program can check; each message names the cure.
set -uo pipefail
cd "$1"
failures=0
bad() { echo "$*" >&2; failures=$((failures + 1)); }
for module in src/*/ src/sql/*/CMakeLists.txt; do
  module=${module%CMakeLists.txt}
  [ -f "$module/README.md" ] || bad "$module has no README.md: say what it is, its invariants, how to extend it"
  [ -f "$module/README.md" ] && [ "$(wc -l < "$module/README.md")" -gt 40 ] && bad "$module/README.md is over 40 lines: shorten it"
done
while read -r file; do
  folder=$(dirname "$file")
  while [ ! -f "$folder/CMakeLists.txt" ]; do folder=$(dirname "$folder"); done
  grep -q "$(basename "$file")" "$folder/CMakeLists.txt" || bad "$file is listed nowhere: add it to $folder/CMakeLists.txt or delete it"
done < <(find src bench fuzz -name '*.cpp' ! -name compile_fail.cpp 2>/dev/null)
while read -r hit; do bad "$hit: work left open needs an issue's number, TODO(#123)"; done < <(grep -rnE '\b(TODO|FIXME|XXX)\b' src bench fuzz --include=*.cpp --include=*.hpp | grep -vE 'TODO\(#[0-9]+\)')
while read -r hit; do bad "$hit: public headers show no engine's or JSON library's type"; done < <(grep -rnE '#include <(sqlite3|simdjson|libpq|boost|nlohmann)' src/*/include src/sql/*/include)
while read -r hit; do bad "$hit: only src/apps and tests name a driver"; done < <(grep -rln 'taskstore/\(sqlite\|postgres\|libsql\)/' src --include=*.cpp --include=*.hpp | grep -vE '^src/(apps|testing|sql/[a-z]+|[a-z]+/tests)/')
while read -r hit; do bad "$hit: time comes from a Clock that is passed in"; done < <(grep -rnE 'system_clock|gettimeofday|time\(nullptr\)|time\(NULL\)' src --include=*.cpp --include=*.hpp | grep -v '^src/base/clock.cpp')
[ "$failures" -eq 0 ] || { echo "$failures rules broken" >&2; exit 1; }
echo "all rules hold"
