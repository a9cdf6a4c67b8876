"""Plans to compare with what was calculated by hand, measured or published."""

from __future__ import annotations

from functools import cache

import yaml

from recipes.training.configuration.compose import read_settings
from recipes.training.configuration.settings import Settings, Stage
from recipes.training.plan.available import GIB
from recipes.training.plan.fit import Change, changed_settings
from recipes.training.plan.lengths import Assumed
from recipes.training.plan.plan import Plan, make_plan

ROWS = 20_000


@cache
def _composed(stage: Stage, size: str, *choices: str) -> Settings:
    return read_settings(stage, size, choices)


def settings(stage: Stage, size: str, *overrides: str) -> Settings:
    """Return the settings of a recipe; only names of choices are composed, which takes a second."""
    composed = _composed(stage, size, *(o for o in overrides if "." not in o.partition("=")[0]))
    given = [o.partition("=") for o in overrides if "." in o.partition("=")[0]]
    return changed_settings(composed, [Change({key: yaml.safe_load(v) for key, _, v in given})])


def plan(
    stage: Stage,
    size: str,
    *overrides: str,
    gpu: float = 80,
    assumed: Assumed = Assumed(rows=ROWS),  # noqa: B008
) -> Plan:
    """Return the plan of a recipe on GPUs of some GiB."""
    return make_plan(settings(stage, size, *overrides), assumed, int(gpu * GIB))
