"""Calibration: whether a label that is given 70 % is right in 70 of 100 questions."""

from __future__ import annotations

from collections.abc import Sequence

from unifer_tasks.protocol.variants.ranking import read_ranking
from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.report.figures.tables import (
    Chart,
    Dot,
    Number,
    Percent,
    Row,
    Section,
    Table,
    with_interval,
)
from unifer_tasks.scoring.calibration import Calibration, calibration

_TEXT = (
    "The probability of each candidate label as the answer, normalised over the candidates. ECE "
    "is the distance of accuracy and confidence in 15 bins of confidence; chance alone gives a "
    "calibrated model an ECE up to the noise in 95 of 100 runs. The Brier score is the squared "
    "distance of the probabilities from the truth, from 0 to 2. A dot of a plot is a bin, larger "
    "where it holds more answers: on the dashed line they are right as often as the model is "
    "confident, below it the model is overconfident."
)
_COLUMNS = ("model", "variant", "questions", "WAR", "confidence", "ECE", "noise", "Brier score")


def section(assessments: Sequence[Assessment]) -> Section | None:
    """Return the calibration of each run that ranked candidates; None if none did."""
    found = {
        one.run.title: (one, measured)
        for one in assessments
        if (measured := _measure(one)) is not None
    }
    if not found:
        return None
    rows = tuple(_row(one, measured) for one, measured in found.values())
    figures = {title: measured for title, (_, measured) in found.items()}
    return Section(
        "calibration",
        "Calibration",
        _TEXT,
        Table(_COLUMNS, rows, n_texts=2),
        figures,
        charts=tuple(_chart(title, measured) for title, measured in figures.items()),
    )


def _measure(one: Assessment) -> Calibration | None:
    """Return the calibration of the questions that were ranked; None if none was."""
    if not one.run.variant.ranks:
        return None
    pairs = [
        (ranking, row.target)
        for row in one.run.predictions
        if (ranking := read_ranking(row.response or "")) is not None and row.target in ranking
    ]
    if not pairs:
        return None
    rankings, targets = zip(*pairs, strict=True)
    return calibration(rankings, targets)


def _chart(title: str, measured: Calibration) -> Chart:
    dots = (Dot(each.confidence, each.accuracy, each.n) for each in measured.bins)
    return Chart(title, "confidence", "right answers", tuple(dots))


def _row(one: Assessment, measured: Calibration) -> Row:
    return (
        one.run.name,
        one.run.variant_key,
        measured.n,
        Percent(measured.accuracy),
        Percent(measured.confidence),
        with_interval(Percent, measured.ece),
        Percent(measured.noise),
        with_interval(Number, measured.brier),
    )
