#!/bin/sh
# Fetch a published transducer of NeMo's and build it; takes the options of `auricle build`.
set -ex
root=$(dirname "$0")/..
exec "$root/.venv/bin/auricle" build nemo-transducer --name nemo-transducer \
    --repo "$root/model_repo_offline" --lock "$root/auricle.lock.json" "$@"
