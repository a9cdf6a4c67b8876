"""How many parameters a run trains."""

from __future__ import annotations

import re
from collections.abc import Iterator

from recipes.training.checks.shapes import Linear, ModelShape
from recipes.training.configuration.adapter import Adapter, Modules

ALL_LINEAR = "all-linear"


def adapted(shape: ModelShape, adapter: Adapter) -> Iterator[Linear]:
    """Yield the linear layers that an adapter adapts, chosen as peft chooses them.

    Args:
        shape: Of the model.
        adapter: Its target and excluded modules.
    """
    for linear in shape.linears():
        is_target = adapter.target == ALL_LINEAR or _names(adapter.target, linear.name)
        if is_target and not _names(adapter.excluded, linear.name):
            yield linear


def adapter_parameters(shape: ModelShape, adapter: Adapter) -> int:
    """Return the parameters of an adapter.

    Each adapted layer has a matrix from its inputs to the rank, and one from there to its outputs
    (LoRA, Hu et al. 2021, arXiv:2106.09685, section 4.1).
    """
    return sum(
        adapter.rank * (linear.inputs + linear.outputs) for linear in adapted(shape, adapter)
    )


def _names(modules: Modules, name: str) -> bool:
    if modules is None:
        return False
    if isinstance(modules, str):
        return re.fullmatch(modules, name) is not None
    return any(name == ending or name.endswith(f".{ending}") for ending in modules)
