"""What the demo shows of each model at its end."""

from __future__ import annotations

import pytest

pytest.importorskip("verl")

from recipes.tiny_cpu.demo.summary import scores_table
from unifer_tasks.data.predictions import Prediction
from unifer_tasks.protocol.labels import FERBENCH
from unifer_tasks.report.figures.assessment import Assessment, assess
from unifer_tasks.report.sources.runs import Run


def assessed(name: str, forgotten: str | None) -> Assessment:
    """Return a model that answers one face of each label rightly, but one label with neutral."""
    rows = tuple(
        Prediction(dataset, f"{label}-1", label, label="neutral" if label == forgotten else label)
        for dataset, space in FERBENCH.items()
        for label in space.labels
    )
    return assess(Run(name, name, rows))


@pytest.mark.parametrize(
    ("forgotten", "expected"),
    [
        (None, ("100.0 %", "100.0 %", "anger 100.0 %")),
        ("contempt", ("93.3 %", "87.5 %", "contempt 0.0 %")),
    ],
)
def test_the_label_that_is_recognized_least_is_named(
    forgotten: str | None, expected: tuple[str, str, str]
) -> None:
    *_, row = scores_table({"model": assessed("model", forgotten)}).splitlines()
    _, name, accuracy, _, uar, lowest, unreadable, _ = (cell.strip() for cell in row.split("|"))
    assert (name, accuracy, uar, lowest, unreadable) == ("model", *expected, "0.0 %")
