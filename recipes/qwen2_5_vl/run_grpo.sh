#!/usr/bin/env bash
# GRPO on the GPUs of this node, or of a ray cluster that RAY_ADDRESS names.
#   run_grpo.sh 7b data.train_files=RLVR/train-00000.parquet data.val_files=RLVR/valid-00000.parquet \
#     actor_rollout_ref.model.path=SFT trainer.default_local_dir=RUN [OVERRIDE ...]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
: "${1:?give the size of the model: 3b, 7b or 32b}"
export PYTHONPATH="$here/../..${PYTHONPATH:+:$PYTHONPATH}"
exec python -m recipes.launch grpo "$here/grpo_${1,,}.yaml" "${@:2}"
