"""Answers forced after a model's own rationales: `ferbench run` asks the base first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from unifer_tasks.data.predictions import PredictionError
from unifer_tasks.harness.rationales import check_rationales, forced_tasks
from unifer_tasks.harness.selection import question_counts, selected
from unifer_tasks.runner.jobs import Job
from unifer_tasks.runner.presets import model_arguments
from unifer_tasks.runner.settings import with_argument

_ARGUMENT = "rationales"


def with_own_rationales(jobs: Iterable[Job]) -> list[Job]:
    """Return jobs that take the rationales from their own folders, unless they name others."""
    return [
        replace(job, settings={**job.settings, "model_args": _own(job)})
        if _forced(job) and _ARGUMENT not in model_arguments(job.settings)
        else job
        for job in jobs
    ]


def lacks_rationales(job: Job) -> bool:
    """Return whether a job's folder holds too few answers of its model to the base's questions."""
    arguments = model_arguments(job.settings)
    forced = _forced(job)
    if not forced or _ARGUMENT in arguments:
        return False
    asked = question_counts(forced, job.settings.get("limit"), job.settings.get("offset"))
    try:
        check_rationales(str(job.results), arguments.get("pretrained", ""), asked)
    except PredictionError:
        return True
    return False


def _forced(job: Job) -> list[str]:
    return forced_tasks(job.preset.backend, selected(job.tasks))


def _own(job: Job) -> object:
    return with_argument(job.settings, "model_args", _ARGUMENT, str(job.results))
