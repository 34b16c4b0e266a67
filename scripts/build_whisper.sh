#!/bin/sh
# Fetch a published Whisper and build it; takes the options of `auricle build`, as --export.
set -ex
root=$(dirname "$0")/..
exec "$root/.venv/bin/auricle" build whisper --name whisper \
    --repo "$root/model_repo_offline" --lock "$root/auricle.lock.json" "$@"
