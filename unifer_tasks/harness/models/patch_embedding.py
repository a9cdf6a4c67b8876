"""Qwen2.5-VL's patch embedding as the matrix product that it is.

Its convolution steps as far as it reaches, so every patch meets the filters once: a product of
two matrices, which torch computes as a convolution of three dimensions all the same.
`python -m benchmarks.patch_embedding` measures both.
"""

from __future__ import annotations

from types import MethodType

import torch
from torch import nn
from torch.nn import functional
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VisionPatchEmbed

from unifer_tasks.support.seams import Seam

PATCH_EMBEDDING = Seam(
    Qwen2_5_VisionPatchEmbed.__module__,
    "Qwen2_5_VisionPatchEmbed.forward",
    ("self", "hidden_states"),
    "patches are embedded by a matrix product",
)


def multiply_patches(model: nn.Module) -> None:
    """Let a model embed patches by a product."""
    for module in model.modules():
        if isinstance(module, Qwen2_5_VisionPatchEmbed):
            # Where a model is spread over devices, accelerate's own forward calls the old one.
            name = "_old_forward" if hasattr(module, "_old_forward") else "forward"
            setattr(module, name, MethodType(_forward, module))


def multiply_patches_everywhere() -> None:
    """Let every Qwen2.5-VL of this process do so, where others build the model."""
    PATCH_EMBEDDING.extend(lambda _: _forward)


def _forward(self: Qwen2_5_VisionPatchEmbed, hidden_states: torch.Tensor) -> torch.Tensor:
    filters = self.proj.weight
    return functional.linear(hidden_states.to(filters.dtype).flatten(1), filters.flatten(1))
