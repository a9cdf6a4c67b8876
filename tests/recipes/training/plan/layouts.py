"""Plans to compare with what was calculated by hand, measured or published."""

from __future__ import annotations

from functools import cache

from recipes.training.configuration.compose import read_settings
from recipes.training.configuration.settings import Settings, Stage
from recipes.training.plan.lengths import Assumed
from recipes.training.plan.memory import GIB
from recipes.training.plan.plan import Plan, make_plan

ROWS = 20_000


@cache
def settings(stage: Stage, size: str, *overrides: str) -> Settings:
    """Return the settings of a recipe; composing one takes a second."""
    return read_settings(stage, size, overrides)


def plan(
    stage: Stage,
    size: str,
    *overrides: str,
    gpu: float = 80,
    assumed: Assumed = Assumed(rows=ROWS),  # noqa: B008
) -> Plan:
    """Return the plan of a recipe on GPUs of some GiB."""
    return make_plan(settings(stage, size, *overrides), assumed, int(gpu * GIB))
