#!/bin/sh
# Fetch a published streaming CTC model of NeMo's and build it.
set -ex
root=$(dirname "$0")/..
exec "$root/.venv/bin/auricle" build nemo-ctc --streaming --name nemo-ctc-streaming \
    --repo "$root/model_repo_streaming" --lock "$root/auricle.lock.json" "$@"
