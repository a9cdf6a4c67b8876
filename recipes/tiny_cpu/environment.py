"""The environment in which verl, vLLM and ray train on a CPU; see `cpu_platform`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

VLLM_ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {
        # No GPU for torch, where there is one, and an id to ray, which counts one logical GPU.
        "CUDA_VISIBLE_DEVICES": "-1",
        # What vLLM may take of the memory, in GiB, and no binding of its threads to cores.
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        # Compiling costs minutes, which a tiny model never earns back.
        "TORCHDYNAMO_DISABLE": "1",
        "VLLM_NO_USAGE_STATS": "1",
    }
)
"""The variables that only vLLM needs."""

ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {
        **VLLM_ENVIRONMENT,
        # At 1, vLLM's platform for the CPU turns the executor `uni` of grpo_tiny.yaml into `mp`;
        # verl's engine has a process of its own at either value.
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VERL_USE_EXTERNAL_MODULES": "recipes.tiny_cpu.cpu_platform",
        "VERL_PLATFORM": "cpu",
        # verl registers its FSDP engine for this name only.
        "VERL_ENGINE_DEVICE": "cuda",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        # transformers 5 warns once for every row that verl reads.
        "TRANSFORMERS_VERBOSITY": "error",
        # With a token that a first run left in the home folder, `ray start` refuses a second node.
        "RAY_AUTH_MODE": "disabled",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
)
