#!/usr/bin/env bash
# Cold-start SFT on the GPUs of this node, or of several (trainer.nnodes, MASTER_ADDR, NODE_RANK).
#   run_sft.sh 7b data.train_files=COT/train-00000.parquet data.val_files=COT/valid-00000.parquet \
#     trainer.default_local_dir=RUN trainer.n_gpus_per_node=8 [OVERRIDE ...]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
: "${1:?give the size of the model: 3b, 7b or 32b}"
export PYTHONPATH="$here/../..${PYTHONPATH:+:$PYTHONPATH}"
exec python -m recipes.launch sft "$here/sft_${1,,}.yaml" "${@:2}"
