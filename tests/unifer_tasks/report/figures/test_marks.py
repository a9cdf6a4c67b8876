"""What is said of a run that was not asked the benchmark's questions."""

from __future__ import annotations

import pytest

from unifer_tasks.data.predictions import Prediction
from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.report.figures.assessment import assess
from unifer_tasks.report.figures.marks import marks, questions
from unifer_tasks.report.sources.runs import Run


@pytest.mark.parametrize(
    ("dataset", "n", "mark", "asked"),
    [
        ("sfew", 2, "incomplete: 2 of 11,072", "2 of 11,072, INCOMPLETE"),
        ("affectnet7", 2, "no question of the benchmark", "2 of 3,500, INCOMPLETE"),
        ("affectnet7", 3_500, "no question of the benchmark", "3,500, OTHER DATASETS"),
    ],
)
def test_incomplete_runs(dataset: str, n: int, mark: str, asked: str) -> None:
    label = LABEL_SPACES[dataset].labels[0]
    one = assess(Run("m", "m", tuple(Prediction(dataset, f"{k}", label, label) for k in range(n))))
    assert [found.text for found in marks(one)] == [mark]
    assert questions(one, "pooled") == asked
