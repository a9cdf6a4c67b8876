"""Repeated answers: what several answers to each question show."""

from __future__ import annotations

from collections.abc import Sequence

from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.report.figures.boards import SCOPES
from unifer_tasks.report.figures.comparison import Comparison
from unifer_tasks.report.figures.tables import Percent, Section, Table

_TEXT = (
    "Each question was asked k times; all other figures are of the first answers. Majority vote: "
    "the label that most answers chose is right; an unreadable answer has no vote, and of labels "
    "with equally many the one answered first wins. pass@k: one of k answers is right, without "
    "bias. Agreement: all answers are the same label."
)


def section(assessments: Sequence[Assessment], _: Sequence[Comparison]) -> Section | None:
    """Return the figures of each run that was asked several times; None if none was."""
    rows = tuple(
        (
            one.run.title,
            title,
            found.repeats,
            Percent(found.accuracy),
            Percent(found.majority_vote),
            tuple(Percent(share, note=f"k = {k}") for k, share in found.pass_at.items()),
            Percent(found.agreement),
            found.questions,
        )
        for one in assessments
        for scope, title in SCOPES.items()
        if (found := one.repeats.get(scope)) is not None
    )
    if not rows:
        return None
    columns = ("model", "scope", "k", "WAR of all answers", "majority vote", "pass@k",
               "agreement", "questions")  # fmt: skip
    return Section("repeated", "Repeated answers", _TEXT, Table(columns, rows, n_texts=2))
