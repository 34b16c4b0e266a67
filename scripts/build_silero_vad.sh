#!/bin/sh
# Build the detector of the installed silero-vad (pip install --no-deps silero-vad), or of --from.
set -ex
root=$(dirname "$0")/..
exec "$root/.venv/bin/auricle" build silero-vad --name silero-vad \
    --repo "$root/model_repo_offline" --lock "$root/auricle.lock.json" "$@"
