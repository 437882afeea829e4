#!/bin/sh
# requirements.lock from requirements.in: each package with the hashes of all its files, so that
# one lock serves every machine; torch without, as its build differs between machines.
set -eu
cd -- "$(dirname -- "$0")"
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
python3 -m venv "$tools/venv"
"$tools/venv/bin/pip" install -q uv
grep -v '^torch==' requirements.in > "$tools/hashed.in"
"$tools/venv/bin/uv" pip compile -q "$tools/hashed.in" --no-deps --universal --python-version 3.11 \
    --generate-hashes --no-annotate --no-header -o "$tools/hashed.lock"
{ cat "$tools/hashed.lock"; grep '^torch==' requirements.in; } > requirements.lock
