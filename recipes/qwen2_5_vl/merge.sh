#!/usr/bin/env bash
# A sharded FSDP checkpoint -> a Hugging Face folder with a model card, that vLLM and lmms-eval load.
#   merge.sh RUN/global_step_N OUT [--scores RESULTS.json]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
: "${1:?give the checkpoint: RUN/global_step_N}"
: "${2:?give the folder to write}"
export PYTHONPATH="$here/../..${PYTHONPATH:+:$PYTHONPATH}"
exec python -m recipes.merge "$@"
