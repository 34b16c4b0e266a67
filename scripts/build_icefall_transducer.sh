#!/bin/sh
# Fetch a published icefall transducer and build it; takes the options of `auricle build`.
set -ex
root=$(dirname "$0")/..
exec "$root/.venv/bin/auricle" build icefall-transducer --name icefall-transducer \
    --repo "$root/model_repo_offline" --lock "$root/auricle.lock.json" "$@"
