#!/bin/sh
# Fetch a published icefall CTC model and build it; takes the options of `auricle build`.
set -ex
root=$(dirname "$0")/..
exec "$root/.venv/bin/auricle" build icefall-ctc --name icefall-ctc \
    --repo "$root/model_repo_offline" --lock "$root/auricle.lock.json" "$@"
