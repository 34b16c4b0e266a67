#!/bin/sh
# Fetch a published online Paraformer and build it; takes the options of `auricle build`, as --export.
set -ex
root=$(dirname "$0")/..
exec "$root/.venv/bin/auricle" build paraformer --streaming --name paraformer-streaming \
    --repo "$root/model_repo_streaming" --lock "$root/auricle.lock.json" "$@"
