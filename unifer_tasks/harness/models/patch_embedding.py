"""Qwen2.5-VL's patch embedding as the matrix product that it is.

Its convolution steps as far as it reaches, so every patch meets the filters once: a product of
two matrices, which torch computes as a convolution of three dimensions all the same.
`python -m benchmarks.patch_embedding` measures both.
"""

from __future__ import annotations

import torch
from torch.nn import functional
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VisionPatchEmbed


def multiply_patches() -> None:
    """Lets every Qwen2.5-VL of this process embed patches by a product; before one is built."""
    Qwen2_5_VisionPatchEmbed.forward = _forward


def _forward(self: Qwen2_5_VisionPatchEmbed, patches: torch.Tensor) -> torch.Tensor:
    filters = self.proj.weight
    return functional.linear(patches.to(filters.dtype).flatten(1), filters.flatten(1))
