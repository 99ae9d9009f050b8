#!/usr/bin/env bash
# What the schema tests compare with, into FOLDER: ajv and @hyperjump/json-schema of npm, and the JSON Schema Test Suite as the source archive of
# PyPI's jsonschema carries it. Versions are pinned; what is there already stays.
set -euo pipefail
folder=$1
mkdir -p "$folder"
cd "$folder"
for tool in node npm python3 sha256sum; do
  command -v "$tool" >/dev/null || { echo "$tool is missing: run tools/setup test" >&2; exit 1; }
done
if [ ! -f node_modules/ajv/package.json ] || [ ! -d node_modules/@hyperjump/json-schema ]; then
  npm install --prefix . --ignore-scripts --no-audit --no-fund --loglevel=error ajv@8.20.0 @hyperjump/json-schema@1.17.2 >&2
fi
if [ ! -d suite/tests/draft2020-12 ]; then
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --no-binary jsonschema jsonschema==4.23.0 >&2
  echo 'd71497fef26351a33265337fa77ffeb82423f3ea21283cd9467bb03999266bc4  jsonschema-4.23.0.tar.gz' | sha256sum --check --quiet >&2
  rm -rf unpacked suite
  mkdir unpacked
  tar xzf jsonschema-4.23.0.tar.gz -C unpacked --strip-components=1
  mv unpacked/json suite
  rm -rf unpacked
fi
echo "ajv $(node -p "require('./node_modules/ajv/package.json').version"), suite of $(find suite/tests/draft2020-12 -name '*.json' | wc -l) files"
