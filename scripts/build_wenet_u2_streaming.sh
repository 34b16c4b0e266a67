#!/bin/sh
# Build a WeNet U2 or U2++ model for streams.
set -ex
root=$(dirname "$0")/..
exec "$root/.venv/bin/auricle" build wenet-u2 --streaming --name wenet-u2-streaming \
    --repo "$root/model_repo_streaming" --lock "$root/auricle.lock.json" "$@"
