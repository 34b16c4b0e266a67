#!/bin/sh
# Fetch a published streaming transducer of NeMo's and build it.
set -ex
root=$(dirname "$0")/..
exec "$root/.venv/bin/auricle" build nemo-transducer --streaming --name nemo-transducer-streaming \
    --repo "$root/model_repo_streaming" --lock "$root/auricle.lock.json" "$@"
