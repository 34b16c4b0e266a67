#!/bin/sh
# Fetch a published streaming transducer of icefall and build it.
set -ex
root=$(dirname "$0")/..
exec "$root/.venv/bin/auricle" build icefall-transducer --streaming --name icefall-transducer-streaming \
    --repo "$root/model_repo_streaming" --lock "$root/auricle.lock.json" "$@"
