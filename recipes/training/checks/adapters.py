"""LoRA: which adapter a run trains, and what verl would silently make of some settings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from unifer_tasks.harness.models.weights import model_class

VLLM_MAX_RANK = 512
"""Of `vllm.config.lora.MaxLoRARanks`."""

# The decoder's layers of Qwen2.5-VL and its like; vLLM adapts nothing else.
_DECODER = re.compile(r"(^|\.)(language_model|model)\.layers\.")

Modules = str | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Adapter:
    """The LoRA adapter that a run trains.

    Attributes:
        rank: Inner width of the two matrices of a module.
        alpha: Their product is scaled by `alpha / rank`.
        target: Modules that have one: "all-linear", a regular expression, or endings of names.
        excluded: Modules of these that have none: a regular expression, endings of names or None.
        parameters: Parameters that have one, for experts without modules of their own.
    """

    rank: int
    alpha: int
    target: Modules
    excluded: Modules = None
    parameters: tuple[str, ...] | None = None

    @property
    def settings(self) -> Mapping[str, int | str]:
        """What a model card shows."""
        return {
            "LoRA rank": self.rank,
            "LoRA alpha": self.alpha,
            "adapted modules": _shown(self.target),
            "excluded modules": _shown(self.excluded),
        }

    def peft(self) -> Any:
        """Return peft's configuration, as verl's FSDP engine makes it."""
        from peft import LoraConfig, TaskType

        return LoraConfig(
            task_type=TaskType.CAUSAL_LM,
            r=self.rank,
            lora_alpha=self.alpha,
            target_modules=_plain(self.target),
            target_parameters=None if self.parameters is None else list(self.parameters),
            exclude_modules=_plain(self.excluded),
            bias="none",
        )


def adapter_of(model: Mapping[str, Any]) -> Adapter | None:
    """Return the adapter that a run trains; None where it trains the model's own weights.

    Args:
        model: What the run's configuration says of its model.
    """
    rank = model.get("lora_rank") or 0
    if rank <= 0:
        return None
    return Adapter(
        rank,
        model.get("lora_alpha") or 0,
        _modules(model.get("target_modules")),
        _modules(model.get("exclude_modules")),
        tuple(model.get("target_parameters") or ()) or None,
    )


def adapter_problems(stage: Literal["sft", "grpo"], model: Mapping[str, Any]) -> Iterator[str]:
    """Yield what verl 0.9.1 would ignore or misread of a run's LoRA settings.

    Args:
        stage: In GRPO, vLLM answers with the adapter.
        model: What the run's configuration says of its model.

    Yields:
        A sentence a problem, with its remedy.
    """
    prefix = "model" if stage == "sft" else "actor_rollout_ref.model"
    if path := model.get("lora_adapter_path"):
        yield (
            f"{prefix}.lora_adapter_path={path}: rank and modules of that adapter are not this "
            f"run's; merge it into its base and give the merged folder as {prefix}.path"
        )
    if ignored := sorted(_ignored(model.get("lora") or {})):
        yield (
            f"{prefix}.lora.{ignored[0]} is read by verl's Megatron engine only; give "
            f"{prefix}.lora_rank, lora_alpha, target_modules and exclude_modules"
        )
    adapter = adapter_of(model)
    if adapter is None:
        return
    if adapter.alpha <= 0:
        yield f"{prefix}.lora_alpha={adapter.alpha} scales the adapter away; give 1 or more"
    # With `lora.merge` vLLM is given merged weights.
    is_served = stage == "grpo" and not (model.get("lora") or {}).get("merge")
    if is_served and adapter.rank > VLLM_MAX_RANK:
        yield f"{prefix}.lora_rank={adapter.rank} is more than vLLM serves; give {VLLM_MAX_RANK}"
    try:
        described = _described(str(model["path"]))
    except (OSError, ValueError):
        return  # What is wrong with the model itself, the preflight tells.
    try:
        modules = _adapted(described, adapter)
    except (ValueError, re.error) as error:
        yield (
            f"peft finds no modules to adapt by {prefix}.target_modules={_shown(adapter.target)} "
            f"and {prefix}.exclude_modules={_shown(adapter.excluded)}: {error}"
        )
        return
    outside = [name for name in modules if not _DECODER.search(name)]
    if is_served and outside:
        yield (
            f"{prefix}.target_modules={_shown(adapter.target)} adapts {len(outside):,} modules "
            f"outside the language model's layers, such as {outside[0]}, where vLLM ignores "
            "adapters: rollout and actor would diverge; leave lm_head and embed_tokens out and "
            f"give {prefix}.exclude_modules='.*visual.*'"
        )
    elif described.tie_word_embeddings and (
        tied := [n for n in outside if n.endswith(("lm_head", "embed_tokens"))]
    ):
        yield (
            f"{prefix}.target_modules={_shown(adapter.target)} adapts {tied[0]}, whose weight this "
            "model uses at both ends; leave lm_head and embed_tokens out"
        )


def _ignored(lora: Mapping[str, Any]) -> Iterator[str]:
    """Keys of `model.lora` whose values differ from verl's; the FSDP engine reads `merge` alone."""
    import yaml

    text = files("verl.trainer.config.model").joinpath("hf_model.yaml").read_text("utf-8")
    default: Mapping[str, Any] = yaml.safe_load(text)["lora"]
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


def _modules(value: Any) -> Modules:
    return value if value is None or isinstance(value, str) else tuple(value)


def _plain(value: Modules) -> str | list[str] | None:
    return list(value) if isinstance(value, tuple) else value


def _shown(value: Modules) -> str:
    return "none" if value is None else value if isinstance(value, str) else ", ".join(value)
