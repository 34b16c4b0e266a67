#!/bin/sh
# Fetch a published wav2vec 2.0 and build it; takes the options of `auricle build`, as --from.
set -ex
root=$(dirname "$0")/..
exec "$root/.venv/bin/auricle" build wav2vec2-ctc --name wav2vec2-ctc \
    --repo "$root/model_repo_offline" --lock "$root/auricle.lock.json" "$@"
