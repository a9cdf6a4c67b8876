"""What a run's plan says of the machine that starts it."""

from __future__ import annotations

from collections.abc import Iterator

from recipes.training.configuration.settings import ConfigurationError, Settings
from recipes.training.plan.available import available_memory
from recipes.training.plan.fit import Machine, fit_problems
from recipes.training.plan.lengths import Assumed
from recipes.training.plan.plan import make_plan


def fit_notes(settings: Settings) -> Iterator[str]:
    """Yield what of a run's plan is more than this machine has, each with what helps.

    A plan takes sequences to be as long as the settings admit, so a run may fit all the same. None
    is yielded of a run that cannot be planned (a model of unknown shape, say, or a dataset of the
    user's own), nor where one that wants GPUs is started on a machine without, since other nodes
    have them.
    """
    machine = _this_machine(settings)
    if machine is None:
        return
    assumed = Assumed()
    try:
        plan = make_plan(settings, assumed, machine.gpu)
    except ConfigurationError:
        return
    for problem in fit_problems(plan, settings, assumed, machine):
        yield f"by its plan, {problem}"


def _this_machine(settings: Settings) -> Machine | None:
    memory = available_memory()
    host = None if memory is None else memory.usable
    if settings.trainer.device == "cpu":
        return Machine(gpu=0, host=host)
    import torch

    if not torch.cuda.is_available():
        return None
    return Machine(torch.cuda.get_device_properties(0).total_memory, host)
