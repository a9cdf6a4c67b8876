"""Variants: the same model, asked otherwise, beside the benchmark as published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from unifer_tasks.protocol.variants.listed import BASE
from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.report.figures.comparison import Comparison, Difference
from unifer_tasks.report.figures.tables import Percent, Points, PValue, Row, Section, Table
from unifer_tasks.scoring.metrics import HEADLINE

_TEXT = (
    "Points of pooled WAR against the benchmark as published, on the shared questions; McNemar's "
    "exact test, corrected over all tests of this report."
)


def section(assessments: Sequence[Assessment], comparisons: Sequence[Comparison]) -> Section | None:
    """Return the base and the variants of each model that has both; None if none has."""
    pairs = {(each.a, each.b): each.pooled for each in comparisons}
    models: dict[str, list[Assessment]] = {}
    for one in assessments:
        models.setdefault(one.run.name, []).append(one)
    rows: list[Row] = []
    for runs in models.values():
        ordered = sorted(runs, key=lambda one: one.run.variant is not BASE)
        if ordered[0].run.variant is BASE and len(ordered) > 1:
            rows += [_row(pairs, ordered[0].run.title, one) for one in ordered]
    if not rows:
        return None
    war, *others = HEADLINE.values()
    columns = ("model", "variant", war, "against base", "p", "p (Holm)", "shared questions",
               *others, "unreadable")  # fmt: skip
    return Section("variants", "Variants", _TEXT, Table(columns, tuple(rows), n_texts=2))


def _row(pairs: Mapping[tuple[str, str], Difference], base: str, one: Assessment) -> Row:
    scores = one.strict.pooled.scores
    war, *others = (Percent(scores[name]) for name in (*HEADLINE, "unreadable"))
    tests = _tests(pairs, one.run.title, base)
    return one.run.name, one.run.variant_key, war, *tests, *others


def _tests(pairs: Mapping[tuple[str, str], Difference], other: str, base: str) -> Row:
    """Return change, p-values and number of questions; pairs come in the order of the runs."""
    if found := pairs.get((other, base)):
        change = Points(found.difference, *found.interval)
    elif found := pairs.get((base, other)):
        low, high = found.interval
        change = Points(-found.difference, -high, -low)
    else:
        return (None,) * 4
    return change, PValue(found.p), PValue(found.p_holm), found.counts.n
