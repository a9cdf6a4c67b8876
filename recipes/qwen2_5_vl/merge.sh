#!/usr/bin/env bash
# A sharded FSDP checkpoint -> a Hugging Face folder that vLLM and lmms-eval load.
#   merge.sh RUN/global_step_N[/actor] OUT
set -euo pipefail
: "${1:?give the checkpoint: RUN/global_step_N of SFT, RUN/global_step_N/actor of GRPO}"
: "${2:?give the folder to write}"
exec python -m verl.model_merger merge --backend fsdp --local_dir "$1" --target_dir "$2"
