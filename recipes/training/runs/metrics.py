"""The metrics of a run's steps, as verl's own logger writes them.

verl's `file` logger starts its file anew whenever a trainer starts, so each start of a run has one
of its own: `RUN/metrics/1.jsonl`, `2.jsonl` and so on. A line is `{"step": N, "data": {...}}`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

PATH_VARIABLE = "VERL_FILE_LOGGER_PATH"
"""Tells verl's `file` logger where to write: utils/tracking.py, FileLogger."""

_FOLDER = "metrics"


class MetricsError(Exception):
    """A run's metrics cannot be read; the message names the file and the remedy."""


def next_metrics_file(run: Path) -> Path:
    """Return the file that the next start of a run writes its metrics to; its folder is made.

    Args:
        run: The run's folder (`trainer.default_local_dir`).
    """
    starts = [int(path.stem) for path in _files(run)]
    path = run / _FOLDER / f"{max(starts, default=0) + 1}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def read_metrics(run: Path) -> dict[int, dict[str, float]]:
    """Return the metrics of each step of a run.

    Of a step that was taken twice, because a run was killed after it and before its checkpoint,
    the later counts.

    Args:
        run: The run's folder.

    Returns:
        Step -> metric -> value, in the order of the steps; values that are not numbers are left
        out.

    Raises:
        MetricsError: There are none, or a file cannot be read.
    """
    files = sorted(_files(run), key=lambda path: int(path.stem))
    if not files:
        raise MetricsError(
            f"{run / _FOLDER} holds no metrics: is {run} the folder of a run, and is `file` among "
            "trainer.logger, as the recipe has it?"
        )
    steps: dict[int, dict[str, float]] = {}
    for path in files:
        for step, metrics in _read(path):
            steps.setdefault(step, {}).update(metrics)
    return dict(sorted(steps.items()))


def _files(run: Path) -> list[Path]:
    return [path for path in (run / _FOLDER).glob("*.jsonl") if path.stem.isdecimal()]


def _read(path: Path) -> Iterator[tuple[int, dict[str, float]]]:
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    for number, line in enumerate(lines, 1):
        if number == len(lines) and not line.endswith("\n"):
            return  # The trainer was killed while it wrote the line.
        try:
            row = json.loads(line)
            yield int(row["step"]), dict(_numbers(row["data"]))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise MetricsError(
                f"{path}, line {number} is not one of verl's ({type(error).__name__}: {error}); "
                "remove the line"
            ) from None


def _numbers(data: Mapping[str, object]) -> Iterator[tuple[str, float]]:
    for name, value in data.items():
        if value is None:  # orjson writes what is not finite as null.
            yield name, math.nan
        elif isinstance(value, int | float):
            yield name, float(value)
