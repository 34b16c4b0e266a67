#!/bin/sh
# Fetch a published Paraformer and build it; takes the options of `auricle build`, as --export.
set -ex
root=$(dirname "$0")/..
exec "$root/.venv/bin/auricle" build paraformer --name paraformer \
    --repo "$root/model_repo_offline" --lock "$root/auricle.lock.json" "$@"
