#!/usr/bin/env bash
# What the schema tests compare with, into FOLDER: ajv and @hyperjump/json-schema of npm. Versions are pinned; what is there already stays.
set -euo pipefail
folder=$1
mkdir -p "$folder"
cd "$folder"
for tool in node npm; do
  command -v "$tool" >/dev/null || { echo "$tool is missing: run tools/setup test" >&2; exit 1; }
done
if [ ! -f node_modules/ajv/package.json ] || [ ! -d node_modules/@hyperjump/json-schema ]; then
  npm install --prefix . --ignore-scripts --no-audit --no-fund --loglevel=error ajv@8.20.0 @hyperjump/json-schema@1.17.2 >&2
fi
echo "ajv $(node -p "require('./node_modules/ajv/package.json').version")"
