"""A vision tower that verl's FSDP engine leaves as it is.

`method=frozen_vision` names this module as the model's `external_lib`, which verl imports in every
process that loads the model; verl's own `freeze_vision_tower` is read by no FSDP engine. From then
on, transformers loads Qwen2.5-VL with a vision tower, merger included, that asks for no gradients:
the optimizer keeps no state of it, and no activations of it are kept for a backward pass.
"""

from __future__ import annotations

from typing import Any

from transformers import (
    AutoModelForImageTextToText,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
)

MODEL_TYPE: str = Qwen2_5_VLConfig.model_type


class FrozenVision(Qwen2_5_VLForConditionalGeneration):  # type: ignore[misc]
    """Qwen2.5-VL with a frozen vision tower."""

    @classmethod
    def from_pretrained(cls, *args: Any, **options: Any) -> Any:
        """Load a checkpoint, and freeze its vision tower."""
        model = super().from_pretrained(*args, **options)
        model.model.visual.requires_grad_(False)
        return model


# A checkpoint's config.json names the class that wrote it.
FrozenVision.__name__ = Qwen2_5_VLForConditionalGeneration.__name__
AutoModelForImageTextToText.register(Qwen2_5_VLConfig, FrozenVision, exist_ok=True)
