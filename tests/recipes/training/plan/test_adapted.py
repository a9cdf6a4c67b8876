"""The layers that an adapter adapts, and its parameters, are those of peft."""

from __future__ import annotations

import pytest

pytest.importorskip("verl")

from recipes.training.configuration.adapter import Adapter
from recipes.training.plan.adapted import adapted, adapter_parameters
from tests.recipes.training.checks.test_shapes import named, real

ADAPTERS = {
    "the recipe's": Adapter(32, 32, "all-linear", ".*visual.*"),
    "everything": Adapter(8, 16, "all-linear"),
    "endings": Adapter(16, 16, ("q_proj", "v_proj")),
    "a pattern": Adapter(4, 4, r".*layers\.[01]\.mlp\..*_proj"),
    "endings but for": Adapter(4, 4, ("q_proj", "qkv"), ("qkv",)),
}


@pytest.mark.parametrize("adapter", ADAPTERS.values(), ids=ADAPTERS)
def test_adapters_are_those_of_peft(adapter: Adapter) -> None:
    from peft import get_peft_model

    shape = named("3B")
    model = get_peft_model(real(shape), adapter.peft())
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert adapter_parameters(shape, adapter) == trained > 0


def test_an_adapter_by_hand() -> None:
    # A layer of 3B: q and o 2048 to 2048, k and v 2048 to 256, the MLP three times 2048 and 11008.
    layer = 2 * (2048 + 2048) + 2 * (2048 + 256) + 3 * (2048 + 11008)
    adapter = ADAPTERS["the recipe's"]
    assert len([*adapted(named("3B"), adapter)]) == 36 * 7
    assert adapter_parameters(named("3B"), adapter) == 36 * 32 * layer == 59_867_136
