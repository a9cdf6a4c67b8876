"""What verl and vLLM would silently make of some LoRA settings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from recipes.training.configuration.adapter import Adapter, shown
from recipes.training.configuration.required import verl_configurations
from recipes.training.configuration.settings import GrpoSettings, RolloutSettings, Settings
from unifer_tasks.harness.models.weights import model_class

VLLM_MAX_RANK = 512
"""Of `vllm.config.lora.MaxLoRARanks`."""

# The decoder's layers of Qwen2.5-VL and its like; vLLM adapts nothing else.
_DECODER = re.compile(r"(^|\.)(language_model|model)\.layers\.")


def adapter_problems(settings: Settings) -> Iterator[str]:
    """Yield what verl 0.9.1 would ignore or misread of a run's LoRA settings, for any model."""
    model = settings.model
    prefix, adapter = model.key, model.adapter
    if model.adapter_path:
        yield (
            f"{prefix}.lora_adapter_path={model.adapter_path}: rank and modules of that adapter "
            f"are not this run's; merge it into its base and give the merged folder as "
            f"{prefix}.path"
        )
    if ignored := sorted(_ignored(model.lora)):
        yield (
            f"{prefix}.lora.{ignored[0]} is read by verl's Megatron engine only; give "
            f"{prefix}.lora_rank, lora_alpha, target_modules and exclude_modules"
        )
    if adapter is None:
        return
    if adapter.alpha <= 0:
        yield f"{prefix}.lora_alpha={adapter.alpha} scales the adapter away; give 1 or more"
    if not _is_served(settings):
        return
    if adapter.rank > VLLM_MAX_RANK:
        yield f"{prefix}.lora_rank={adapter.rank} is more than vLLM serves; give {VLLM_MAX_RANK}"
    if isinstance(settings.method, GrpoSettings):
        yield from _summon_problems(settings.method.rollout)


def _is_served(settings: Settings) -> bool:
    """Return whether vLLM serves the adapter; with `lora.merge` it is given merged weights."""
    return settings.stage == "grpo" and not settings.model.rollout_gets_merged_weights


def module_problems(settings: Settings) -> Iterator[str]:
    """Yield what is wrong with the modules of a model that an adapter is to adapt."""
    model = settings.model
    prefix, adapter, is_served = model.key, model.adapter, _is_served(settings)
    if adapter is None:
        return
    try:
        described = _described(model.path)
    except Exception:  # transformers raises what it meets in a damaged file.
        return  # `checks.model` reports what is wrong with the model itself.
    try:
        modules = _adapted(described, adapter)
    except (ValueError, re.error) as error:
        yield (
            f"peft finds no modules to adapt by {prefix}.target_modules={shown(adapter.target)} "
            f"and {prefix}.exclude_modules={shown(adapter.excluded)}: {error}"
        )
        return
    outside = [name for name in modules if not _DECODER.search(name)]
    if is_served and outside:
        yield (
            f"{prefix}.target_modules={shown(adapter.target)} adapts {len(outside):,} modules "
            f"outside the language model's layers, such as {outside[0]}, where vLLM ignores "
            "adapters: rollout and actor would diverge; leave lm_head and embed_tokens out and "
            f"give {prefix}.exclude_modules='.*visual.*'"
        )
    elif described.tie_word_embeddings and (
        tied := [n for n in outside if n.endswith(("lm_head", "embed_tokens"))]
    ):
        yield (
            f"{prefix}.target_modules={shown(adapter.target)} adapts {tied[0]}, whose weight this "
            "model uses at both ends; leave lm_head and embed_tokens out"
        )


def _summon_problems(rollout: RolloutSettings) -> Iterator[str]:
    """utils/fsdp_utils.py, collect_lora_params: raises once all engines have started."""
    if rollout.layered_summon and "dummy" in rollout.load_format:
        yield (
            f"actor_rollout_ref.rollout.layered_summon=true gathers the adapter alone, and with "
            f"load_format={rollout.load_format} vLLM has no base to add it to; give "
            "actor_rollout_ref.rollout.load_format=safetensors too"
        )


def _ignored(lora: Mapping[str, Any]) -> Iterator[str]:
    """Keys of `model.lora` whose values differ from verl's; the FSDP engine reads `merge` alone."""
    import yaml

    described = verl_configurations() / "model" / "hf_model.yaml"
    default: Mapping[str, Any] = yaml.safe_load(described.read_text(encoding="utf-8"))["lora"]
    for key, value in lora.items():
        if key != "merge" and value != default.get(key):
            yield key


def _described(path: str) -> Any:
    from transformers import AutoConfig

    folder = Path(path).expanduser()
    return AutoConfig.from_pretrained(folder if folder.is_dir() else path)


def _adapted(config: Any, adapter: Adapter) -> list[str]:
    """Return the names of the modules that peft adapts.

    Raises:
        ValueError: It finds none.
    """
    import torch
    from peft import get_peft_model
    from peft.tuners.lora import LoraLayer

    with torch.device("meta"):
        model = get_peft_model(model_class(config)(config), adapter.peft()).get_base_model()
    return [name for name, module in model.named_modules() if isinstance(module, LoraLayer)]
