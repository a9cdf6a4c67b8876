"""The patch embedding by a product, beside the convolution that it stands for."""

from __future__ import annotations

import pytest
import torch
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VisionPatchEmbed

from unifer_tasks.harness.models.patch_embedding import multiply_patches

CONVOLUTION = Qwen2_5_VisionPatchEmbed.forward


@pytest.mark.parametrize(("patch", "temporal"), [(14, 2), (28, 1)])
def test_the_product_is_the_convolution(
    patch: int, temporal: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Qwen2_5_VisionPatchEmbed, "forward", CONVOLUTION)
    torch.manual_seed(0)
    embed = Qwen2_5_VisionPatchEmbed(patch, temporal, embed_dim=32)
    patches = torch.randn(10, 3 * temporal * patch**2)

    def embedded() -> tuple[torch.Tensor, torch.Tensor]:
        embed.zero_grad()
        out = embed(patches)
        out.square().sum().backward()
        return out.detach(), embed.proj.weight.grad.clone()

    outputs, gradients = embedded()
    multiply_patches()
    torch.testing.assert_close(embedded(), (outputs, gradients), rtol=1e-4, atol=1e-4)
    assert "convolution" not in str(embed(patches).grad_fn).lower()
