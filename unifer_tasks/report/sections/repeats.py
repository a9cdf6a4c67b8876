"""Repeated answers: what several answers to each question show, and how that grows with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.report.figures.boards import SCOPES, TITLES
from unifer_tasks.report.figures.tables import Percent, Row, Section, Table, with_interval
from unifer_tasks.scoring.repeats import VOTING_RULE, RepeatScores
from unifer_tasks.scoring.summary import POOLED

_TEXT = (
    "Each question was asked several times; all other figures are of the first answers. Of k "
    "answers, majority@k: the label that most of them chose is right; pass@k: one of them is "
    "right; agreement@k: all are the same label. Each is the exact mean over all choices of k of "
    f"the answers. {VOTING_RULE} So k = 1 is the WAR of all answers, and the share of them that "
    "could be read. Intervals are Wilson's, wider than need be where k is not all answers."
)
_COLUMNS = ("model", "scope", "k", "majority@k", "pass@k", "agreement@k", "questions")
_EVERY = 8
"""Up to this k the table has each, then the powers of two; `scores.json` and the plot have all."""


def section(assessments: Sequence[Assessment]) -> Section | None:
    """Return the figures of each run that was asked several times; None if none was."""
    rows = tuple(
        row
        for one in assessments
        for scope in SCOPES
        if (found := one.repeats.get(scope)) is not None
        for row in _rows(one.run.title, scope, found)
    )
    if not rows:
        return None
    return Section("repeated", "Repeated answers", _TEXT, Table(_COLUMNS, rows, n_texts=2))


def _rows(title: str, scope: str, found: RepeatScores) -> Iterator[Row]:
    """Yield a curve's rows: those of the pool in steps, of a dataset its two ends."""
    for point in found.curve:
        k, last = point.k, found.repeats
        is_step = k <= _EVERY or k.bit_count() == 1
        if k in (1, last) or (scope == POOLED and is_step):
            figures = (point.majority_vote, point.pass_at, point.agreement)
            yield (
                title,
                TITLES[scope],
                k,
                *(with_interval(Percent, figure) for figure in figures),
                found.questions,
            )
