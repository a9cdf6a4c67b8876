"""The patch embedding by a product, beside the convolution that it stands for."""

from __future__ import annotations

import pytest
import torch
from accelerate.hooks import ModelHook, add_hook_to_module
from torch import nn
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VisionPatchEmbed

from unifer_tasks.harness.models.patch_embedding import (
    PATCH_EMBEDDING,
    multiply_patches,
    multiply_patches_everywhere,
)
from unifer_tasks.support.seams import replaced


@pytest.mark.parametrize(("patch", "temporal"), [(14, 2), (28, 1)])
@pytest.mark.parametrize("everywhere", [False, True])
def test_the_product_is_the_convolution(patch: int, temporal: int, everywhere: bool) -> None:
    torch.manual_seed(0)
    embed = Qwen2_5_VisionPatchEmbed(patch, temporal, embed_dim=32)
    patches = torch.randn(10, 3 * temporal * patch**2)

    def embedded() -> tuple[torch.Tensor, torch.Tensor]:
        embed.zero_grad()
        out = embed(patches)
        out.square().sum().backward()
        return out.detach(), embed.proj.weight.grad.clone()

    outputs, gradients = embedded()
    with replaced(Qwen2_5_VisionPatchEmbed, "forward", Qwen2_5_VisionPatchEmbed.forward):
        if everywhere:
            multiply_patches_everywhere()
        else:
            multiply_patches(nn.ModuleList([embed]))
        torch.testing.assert_close(embedded(), (outputs, gradients), rtol=1e-4, atol=1e-4)
        assert not uses_convolution(embed, patches)
        other = Qwen2_5_VisionPatchEmbed(patch, temporal, embed_dim=32)
        assert uses_convolution(other, patches) != everywhere
    assert uses_convolution(other, patches)


def uses_convolution(embed: nn.Module, patches: torch.Tensor) -> bool:
    return (
        "convolution"
        in str(embed(patches).grad_fn.next_functions).lower() + str(embed(patches).grad_fn).lower()
    )


def test_a_model_that_is_spread_over_devices_keeps_its_hooks() -> None:
    class Count(ModelHook):  # type: ignore[misc]
        calls = 0

        def pre_forward(self, module: nn.Module, *given: object, **named: object) -> object:
            self.calls += 1
            return given, named

    embed, hook = Qwen2_5_VisionPatchEmbed(14, 2, embed_dim=32), Count()
    patches = torch.randn(10, 3 * 2 * 14**2)
    expected = embed(patches)
    add_hook_to_module(embed, hook)
    multiply_patches(embed)
    torch.testing.assert_close(embed(patches), expected, rtol=1e-4, atol=1e-4)
    assert hook.calls == 1
    assert not uses_convolution(embed, patches)


def test_the_forward_that_is_replaced_is_there() -> None:
    assert PATCH_EMBEDDING.problem() is None
