"""The metrics of a run's steps are read from what verl's own logger wrote."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from recipes.training.runs.metrics import (
    PATH_VARIABLE,
    MetricsError,
    next_metrics_file,
    read_metrics,
)


def write(run: Path, *lines: str) -> Path:
    path = next_metrics_file(run)
    path.write_text("".join(lines))
    return path


def test_each_start_has_a_file_and_the_later_of_two_steps_counts(tmp_path: Path) -> None:
    write(
        tmp_path,
        '{"step": 1, "data": {"train/loss": 6.6, "train/lr": 1.5e-05}}\n',
        '{"step": 2, "data": {"train/loss": null}}\n',
        '{"step": 2, "data": {"val/loss": 3, "note": "a text", "flags": [1]}}\n',
        # Killed while it wrote.
        '{"step": 3, "da',
    )
    for n in range(2, 11):
        path = write(tmp_path, f'{{"step": 2, "data": {{"train/loss": {n}}}}}\n')
        assert path.name == f"{n}.jsonl"
    assert read_metrics(tmp_path) == {
        1: {"train/loss": 6.6, "train/lr": 1.5e-05},
        2: {"train/loss": 10.0, "val/loss": 3.0},
    }


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (None, "holds no metrics: .*`file` among trainer.logger"),
        ("step:1 - train/loss:6.6\n", r"1\.jsonl, line 1 is not one of verl's \(JSONDecodeError"),
        ('{"step": 1, "data": {}}\n[]\n', r"1\.jsonl, line 2 .*TypeError.*remove the line"),
        ('{"step": 1}\n', r"line 1 .*KeyError: 'data'"),
        ('{"step": "one", "data": {}}\n', r"line 1 .*ValueError"),
    ],
)
def test_what_verl_did_not_write_is_named(lines: str | None, message: str, tmp_path: Path) -> None:
    if lines is not None:
        write(tmp_path, lines)
    with pytest.raises(MetricsError, match=message):
        read_metrics(tmp_path)


def test_verls_own_logger_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("verl")
    import numpy as np
    from verl.utils.tracking import Tracking

    starts: tuple[Mapping[str, object], ...] = (
        {"actor/kl": np.float64(0.25), "count": np.int64(3), "loss": math.nan},
        {"actor/kl": 0.5},
    )
    for data in starts:
        monkeypatch.setenv(PATH_VARIABLE, os.fspath(next_metrics_file(tmp_path)))
        tracking = Tracking("project", "experiment", ["file"])
        tracking.log(data, step=1)
        tracking.finish()
    (metrics,) = read_metrics(tmp_path).values()
    assert (metrics["actor/kl"], metrics["count"]) == (0.5, 3.0)
    assert math.isnan(metrics["loss"])
