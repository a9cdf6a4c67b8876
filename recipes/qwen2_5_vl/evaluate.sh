#!/usr/bin/env bash
# A checkpoint -> its FERBench scores, samples logged. FERBENCH_DATA names the benchmark folder.
#   evaluate.sh MODEL OUT [lmms-eval OPTION ...]
set -euo pipefail
: "${1:?give the model: a Hugging Face folder or hub id}"
: "${2:?give the folder to write}"
exec ferbench lmms-eval --model unifer --model_args "pretrained=$1" --batch_size 32 \
  --tasks ferbench --output_path "$2" --log_samples "${@:3}"
