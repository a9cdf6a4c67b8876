"""Runs that several tests of the report share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.unifer_tasks.report.on_disk import answers, write_logs, write_predictions
from unifer_tasks.report.figures.assessment import Assessment, assess
from unifer_tasks.report.sources.given import read_runs


def assessed(*paths: Path | tuple[str, Path]) -> list[Assessment]:
    return [assess(run) for run in read_runs(paths)]


@pytest.fixture(scope="session")
def runs_on_disk(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Path]:
    """Write logs of a model on stand-ins with variants, and predictions of another model."""
    folder = tmp_path_factory.mktemp("runs")
    tasks = {
        "ferbench_sfew": answers("sfew"),
        "ferbench_rafdb": answers("rafdb"),
        "ferbench_direct_sfew": answers("sfew", right=3, wrong=0),
        "ferbench_shuffled_sfew": answers("sfew"),
    }
    logs = write_logs(folder / "logs" / "m", tasks, model="org/m_$1|<b>", stand_in=True)
    other = {"sfew": answers("sfew", right=1, wrong=2)}
    return [logs, write_predictions(folder / "other.jsonl", other)]


@pytest.fixture(scope="session")
def assessments(runs_on_disk: Sequence[Path]) -> list[Assessment]:
    return assessed(*runs_on_disk)
