"""The patch embedding by a matrix product, beside the convolution of transformers.

Forward and backward of a batch of 32 images of 224 x 224 pixels, at the tiny model's width and at
that of Qwen2.5-VL. Run alone: `python -m benchmarks.patch_embedding`.
"""

from __future__ import annotations

import torch
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VisionPatchEmbed

from benchmarks.timing import compare, seconds
from unifer_tasks.harness.models.patch_embedding import multiply_patches

_IMAGES = 32
_SIZES = {"tiny model": (28, 1, 128), "Qwen2.5-VL": (14, 2, 1280)}


def main() -> None:
    """Print a line for each size."""
    for name, (patch, temporal, width) in _SIZES.items():
        embed = Qwen2_5_VisionPatchEmbed(patch, temporal, embed_dim=width)
        patches = torch.randn(_IMAGES * (224 // patch) ** 2, 3 * temporal * patch**2)

        def step(embed: Qwen2_5_VisionPatchEmbed = embed, patches: torch.Tensor = patches) -> None:
            embed(patches).sum().backward()

        peer = seconds(step)
        multiply_patches(embed)
        compare(f"patch embedding, {name}", seconds(step), peer, "convolution")


if __name__ == "__main__":
    main()
