#!/usr/bin/env bash
# A checkpoint -> its FERBench scores, samples logged.
#   FERBENCH_DATA=BENCHMARK evaluate.sh MODEL OUT [lmms-eval OPTION ...]
set -euo pipefail
: "${1:?give the model: a Hugging Face folder or hub id}"
: "${2:?give the folder to write}"
: "${FERBENCH_DATA:?give the benchmark folder: export FERBENCH_DATA=DIR (unifer-data ferbench writes it)}"
command -v ferbench >/dev/null || {
  echo "evaluate.sh: ferbench is not installed: in a clone of UniFER, pip install '.[eval]'" >&2
  exit 1
}
[[ $1 != *,* ]] || {
  echo "evaluate.sh: lmms-eval reads a comma in '$1' as the end of the path; name a link to it" >&2
  exit 1
}
exec ferbench lmms-eval --model unifer --model_args "pretrained=$1" --batch_size 32 \
  --tasks ferbench --output_path "$2" --log_samples "${@:3}"
