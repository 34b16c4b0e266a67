#!/bin/sh
# Build a family with a TensorRT plan for this machine's GPU: build_trt.sh FAMILY [OPTIONS].
# TRITON_TAG names the image that builds the plan and will serve it.
set -ex
root=$(dirname "$0")/..
family=$1
shift
exec "$root/.venv/bin/auricle" build "$family" --backend tensorrt --name "$family" \
    --repo "$root/model_repo_offline" --lock "$root/auricle.lock.json" "$@"
