#!/bin/sh
# Build a WeNet U2 or U2++ model; takes the options of `auricle build`: --from FOLDER, --export...
set -ex
root=$(dirname "$0")/..
exec "$root/.venv/bin/auricle" build wenet-u2 --name wenet-u2 \
    --repo "$root/model_repo_offline" --lock "$root/auricle.lock.json" "$@"
