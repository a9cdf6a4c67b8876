"""A frozen vision tower or offloaded activations that verl would train otherwise than is meant."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress

from recipes.training.checks.model import find_model
from recipes.training.configuration.keys import value_at
from recipes.training.configuration.required import VERL
from recipes.training.configuration.settings import Settings

FROZEN_VISION = "recipes.qwen2_5_vl.frozen_vision"
"""The `external_lib` of `method=frozen_vision`."""

_FREEZES = "qwen2_5_vl"
_STRATEGY = {"sft": "engine.strategy", "grpo": "actor_rollout_ref.actor.strategy"}


def method_problems(settings: Settings) -> Iterator[str]:
    """Yield what verl 0.9.1 would train otherwise than a run's method and offload say."""
    model = value_at(settings.verl, settings.model.key)
    is_frozen = model["external_lib"] == FROZEN_VISION
    if is_frozen:
        yield from _frozen_problems(settings)
    if not model["enable_activation_offload"]:
        return
    key = f"{settings.model.key}.enable_activation_offload"
    # utils/activation_offload.py distinguishes tensors by their address alone: of a tensor and
    # its transpose, one is given back for both.
    if not model["enable_gradient_checkpointing"]:
        yield (
            f"{key}=true gives other gradients without gradient checkpointing in verl {VERL}; give "
            f"{settings.model.key}.enable_gradient_checkpointing=true"
        )
    # It counts every layer on the way forward, and on the way back those with gradients alone: the
    # next micro-batch begins at a wrong one, and fails (KeyError) or offloads less.
    if is_frozen or settings.model.adapter is not None:
        yield (
            f"{key}=true loses count of the layers in verl {VERL} where the vision tower is not "
            "trained; give offload=host, or method=full"
        )


def _frozen_problems(settings: Settings) -> Iterator[str]:
    path = settings.model.path
    folder = find_model(path)
    if folder is not None:
        kind = None
        with suppress(OSError, ValueError, AttributeError):
            kind = json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"]
        if kind is not None and kind != _FREEZES:
            yield (
                f"method=frozen_vision freezes the vision tower of {_FREEZES}, and {path} is a "
                f"{kind}; give method=lora, which leaves any vision tower alone"
            )
    strategy = value_at(settings.verl, key := _STRATEGY[settings.stage])
    if strategy != "fsdp2":
        yield (
            f"{key}={strategy} puts frozen and trained weights into one; with method=frozen_vision "
            f"give {key}=fsdp2"
        )
