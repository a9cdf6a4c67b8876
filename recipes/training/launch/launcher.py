"""Run a stage of the recipe in verl so that a failure cannot pass for a success.

Before: what an earlier run left is ended; the run is recorded beside its checkpoints, and continues
from the newest whole one. During: the log is kept there too and watched; a run whose worker was
killed is ended (`fatal`; verl waits for it), and so is one that prints nothing for too long (a
weight sync that failed hangs). After: groups that verl dropped, an end before the last step, a
missing checkpoint and a non-zero exit are all failures.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from recipes.training.checks.tokens import find_tokens
from recipes.training.configuration.adapter import Adapter
from recipes.training.configuration.settings import Settings
from recipes.training.launch.cleanup import sole_run
from recipes.training.launch.errors import RunError
from recipes.training.launch.process import run
from recipes.training.launch.trainer import added_environment, command, node_rank
from recipes.training.runs.checkpoints import (
    CheckpointError,
    name_newest,
    newest_checkpoint,
    resumable,
    step_of,
)
from recipes.training.runs.metrics import MetricsError, next_metrics_file, read_metrics
from recipes.training.runs.record import find_record, record_run, write_record

LOG_NAME = "train.log"


def launch(settings: Settings, rows: Mapping[Path, int], stall_minutes: float = 60) -> Path | None:
    """Run a stage that passed its checks.

    Args:
        settings: Of the run.
        rows: Data file -> rows, from `preflight`.
        stall_minutes: How long the trainer may print nothing.

    Returns:
        The newest checkpoint; None for a run that is to write none. A run whose folder holds one
        continues from there (verl's `resume_mode: auto`).

    Raises:
        ConfigurationError: A node of several does not know its place.
        RunningError: Another run is at work in the folder.
        CheckpointError: The run cannot be resumed from its checkpoints.
        RunError: It did not succeed.
    """
    out = settings.trainer.folder
    steps = settings.total_steps(settings.data.rows_read("train", rows))
    with sole_run(out):
        resumed = _resumed(settings)
        if resumed is not None and step_of(resumed) >= steps:
            print("all steps are done; nothing is left to do")
        else:
            steps = _train(settings, rows, stall_minutes)
    if not settings.saves:
        _check_logged(settings, steps)
        return None
    checkpoint = newest_checkpoint(out)
    if checkpoint is None:
        raise RunError(f"the trainer ended well and left no checkpoint in {out}")
    if (step := step_of(checkpoint)) < steps:
        raise RunError(
            f"the trainer exited 0 after step {step} of {steps}; see {out / LOG_NAME} for why, "
            "and start it again to continue from there"
        )
    return checkpoint


def _check_logged(settings: Settings, steps: int) -> None:
    """Check that a run without checkpoints came to its last step, as far as its metrics tell.

    Raises:
        RunError: It did not.
    """
    trainer = settings.trainer
    if trainer.only_validates or "file" not in trainer.loggers:
        return
    with suppress(MetricsError):
        steps_done = max(read_metrics(trainer.folder), default=0)
        if steps_done >= steps:
            return
        raise RunError(
            f"the trainer exited 0 after step {steps_done} of {steps}; see "
            f"{trainer.folder / LOG_NAME} for why"
        )


def _resumed(settings: Settings) -> Path | None:
    """Ready the run's folder for resuming; return the checkpoint that the run continues from."""
    trainer = settings.trainer
    newest = None
    if trainer.resume_mode == "auto":
        newest = resumable(trainer.folder, trainer.gpus)
        if newest is not None and node_rank(settings) == 0:
            name_newest(newest)
    elif trainer.resume_mode == "resume_path":
        newest = trainer.resume_from
    if newest is not None:
        _check_adapter(newest, settings.model.adapter)
    return newest if trainer.resume_mode == "auto" else None


def _check_adapter(checkpoint: Path, adapter: Adapter | None) -> None:
    """Check that a checkpoint is of the adapter that is to be trained.

    verl loads the matrices of an adapter of the same rank whatever it is scaled by, and the model
    would be another one from the next step on.

    Raises:
        CheckpointError: It is of another one.
    """
    record = find_record(checkpoint)
    if record is not None and record.adapter != adapter:
        wrote, given = (
            "all weights" if found is None else str(found) for found in (record.adapter, adapter)
        )
        raise CheckpointError(
            f"{checkpoint} was trained with {wrote} and this run has {given}: give the same, or "
            "merge it and start from that in another trainer.default_local_dir"
        )


def _train(settings: Settings, rows: Mapping[Path, int], stall_minutes: float) -> int:
    """Run the trainer; return the steps that the rows which it read take."""
    out, node = settings.trainer.folder, node_rank(settings)
    added = added_environment(settings, next_metrics_file(out))
    started = command(settings, added)
    record = record_run(settings, rows)
    if node == 0:
        write_record(out, record)
    log = out / (f"node{node}-{LOG_NAME}" if node else LOG_NAME)
    there = (record.rows_read("train"), record.rows_read("val"))
    printed = run(
        started,
        log,
        stall_minutes,
        {**os.environ, **added},
        there if settings.stage == "grpo" else None,
        # No check counted them, and verl was told to leave out those that are too long.
        may_leave_out=settings.data.overlong == "dropped" and find_tokens(settings) is None,
    )
    if printed.dropped:
        raise RunError(
            f"verl dropped {printed.dropped:,} groups whose rollout or reward failed; see {log}"
        )
    n_train, _ = printed.rows or there
    return settings.total_steps(n_train)
