"""Outcomes: whether an answer could be read, and if not, why."""

from __future__ import annotations

from collections.abc import Sequence

from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.report.figures.tables import Row, Section, Table
from unifer_tasks.scoring.summary import OUTCOMES


def section(assessments: Sequence[Assessment]) -> Section:
    """Return how many answers of each run have each outcome."""
    names = OUTCOMES["strict"]
    rows: tuple[Row, ...] = tuple(
        (one.run.title, *(one.strict.pooled.outcomes[name] for name in names))
        for one in assessments
    )
    return Section(
        "outcomes",
        "Outcomes",
        "Strict reader, all datasets; only what is answered can be right.",
        Table(("model", *names), rows),
    )
