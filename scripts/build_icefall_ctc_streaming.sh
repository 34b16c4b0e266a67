#!/bin/sh
# Fetch a published streaming CTC model of icefall and build it.
set -ex
root=$(dirname "$0")/..
exec "$root/.venv/bin/auricle" build icefall-ctc --streaming --name icefall-ctc-streaming \
    --repo "$root/model_repo_streaming" --lock "$root/auricle.lock.json" "$@"
