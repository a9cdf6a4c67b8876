"""The FERBench tasks that a run selects: each is asked once, on complete and undamaged data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from unifer_tasks.data.headings import GROUPS
from unifer_tasks.data.manifest import data_root, intact_path, read_manifest
from unifer_tasks.harness.yaml_speed import libyaml
from unifer_tasks.protocol.labels import FERBENCH
from unifer_tasks.protocol.variants.listed import TASKS, task_name
from unifer_tasks.support.nearest import did_you_mean

NAMES = (*GROUPS, *TASKS)
"""Every group and task of FERBench."""


class TaskError(ValueError):
    """No task has the name that is asked for."""


def check_names(given: Sequence[str], known: Iterable[str]) -> None:
    """Check that every task exists.

    Args:
        given: As on the command line: names or patterns. lmms-eval takes a file for one too, and
            fails to find it among the tasks.
        known: The names of all tasks, groups and tags.

    Raises:
        TaskError: One does not, or cannot be selected in this way.
    """
    names = set(known)
    for name in given:
        if not name:
            raise TaskError("--tasks names an empty task; remove the comma too many")
        if any(mark in name for mark in "*?["):
            if not any(fnmatchcase(task, name) for task in names):
                raise TaskError(f"no task matches {name!r}{did_you_mean(name, names)}")
            if "*" not in name:
                raise TaskError(f"lmms-eval takes {name!r} for a name; write the pattern with *")
        elif Path(name).is_file() and name not in names:
            raise TaskError(
                f"lmms-eval takes no file as a task: pass --include_path {Path(name).parent} and "
                f"the task's name for {name}"
            )
        elif name not in names:
            raise TaskError(f"no task is called {name!r}{did_you_mean(name, names)}")


def check_before_start(given: Sequence[str], include_path: str | None = None) -> None:
    """Check that every task exists; lmms-eval is asked for its own only if one is not FERBench's.

    Args:
        given: As for `check_names`.
        include_path: Where lmms-eval looks for further tasks.

    Raises:
        TaskError: As in `check_names`.
    """
    try:
        check_names(given, NAMES)
    except TaskError:
        check_names(given, [*NAMES, *_tasks_of_lmms_eval(include_path)])


def _tasks_of_lmms_eval(include_path: str | None) -> list[str]:
    from lmms_eval.tasks import TaskManager
    from loguru import logger

    logger.disable("lmms_eval")
    try:
        with libyaml():
            return list(TaskManager(include_path=include_path).all_tasks)
    finally:
        logger.enable("lmms_eval")


def selected(patterns: Iterable[str]) -> list[str]:
    """Return the groups and tasks of FERBench that match one of these names or patterns."""
    return [name for pattern in patterns for name in NAMES if fnmatchcase(name, pattern)]


def check_data(tasks: Iterable[str]) -> None:
    """Check the data of those of these tasks and groups that are FERBench's.

    Raises:
        DataError: It is absent, damaged or of another kind.
    """
    if datasets := dict.fromkeys(TASKS[task][1] for task in _leaves(tasks)):
        root = data_root()
        manifest = read_manifest(root)
        for dataset in datasets:
            intact_path(root, manifest, dataset)


def question_counts(
    tasks: Iterable[str], limit: float | None = None, offset: int | None = None
) -> dict[str, int]:
    """Return how many questions of each of these tasks, and of these groups' tasks, are asked.

    Args:
        tasks: Names; one that is not FERBench's is left out, a dataset that the folder lacks
            has none.
        limit: `--limit`: a number of questions, or a share of them below 1; None or -1 for all.
        offset: `--offset`.

    Raises:
        DataError: The data is absent or damaged.
    """
    manifest = read_manifest(data_root())
    counts = {}
    for task in _leaves(tasks):
        variant, dataset = TASKS[task]
        file = manifest.file(dataset)
        n = file.rows * variant.times_asked(dataset) if file else 0
        # As `get_sample_size` of lmms-eval, which rounds a share up.
        most = n if limit is None or limit < 0 else math.ceil(limit * n if limit < 1 else limit)
        counts[task] = max(0, min(most, n - (offset or 0)))
    return counts


def repeated(tasks: Iterable[str]) -> list[str]:
    """Return the tasks that are asked as members of a group too."""
    names = set(tasks)
    return [task for group in GROUPS if group in names for task in _members(group) if task in names]


def _leaves(tasks: Iterable[str]) -> list[str]:
    """Return the tasks of FERBench among these, those of its groups included."""
    return [
        task
        for name in tasks
        for task in (_members(name) if name in GROUPS else [name])
        if task in TASKS
    ]


def _members(group: str) -> list[str]:
    return [task_name(dataset, GROUPS[group]) for dataset in FERBENCH]
