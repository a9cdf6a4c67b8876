"""Robustness: how much of the accuracy is kept when the image is corrupted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from unifer_tasks.protocol.variants.corruptions import STRENGTHS, in_words
from unifer_tasks.protocol.variants.listed import BASE
from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.report.figures.comparison import Comparison
from unifer_tasks.report.figures.robustness import Kept, Robustness, robustness
from unifer_tasks.report.figures.tables import (
    Cell,
    Percent,
    PValue,
    Row,
    Section,
    Table,
    with_interval,
)

_ALPHA = 0.05
_ALL = "all kinds"

_TEXT = (
    "Each question is asked again with its image corrupted in one way and strength, dealt by its "
    "id. Accuracy kept: the WAR on corrupted images divided by that on the same images clean, with "
    "its 95 % interval (Bonett and Price 2006). p: McNemar's exact test of a change; Holm's "
    "correction is over the kinds of a run. Kinds, and the strengths of one, are of different "
    "questions, so small differences between them mean little. Where no loss is shown, one may be "
    "too small for so few questions. All corruptions are computed, masks and sunglasses as flat "
    "shapes: none is a photograph of such a scene. These answers are in no figure of the benchmark "
    "as published."
)
_COLUMNS = ("model", "image", "questions", "WAR clean", "WAR corrupted", "accuracy kept", "p",
            "p (Holm)", *(f"kept at strength {strength}" for strength in STRENGTHS))  # fmt: skip


def section(assessments: Sequence[Assessment], _: Sequence[Comparison]) -> Section | None:
    """Return what each run on corrupted images keeps of its base; None if no run has one."""
    bases = {one.run.name: one for one in assessments if one.run.variant is BASE}
    corrupted = [one for one in assessments if one.run.variant.corrupts]
    found: dict[str, Robustness] = {}
    for one in corrupted:
        base = bases.get(one.run.name)
        if base is not None and (measured := robustness(one, base)) is not None:
            found[one.run.title] = measured
    if not found:
        return None
    rows = tuple(row for title, measured in found.items() for row in _rows(title, measured))
    text = " ".join((_TEXT, *_left_out(corrupted, found)))
    table = Table(_COLUMNS, rows, n_texts=2)
    return Section("robustness", "Robustness", text, table, found, lines=tuple(_reading(found)))


def _reading(found: Mapping[str, Robustness]) -> Iterator[str]:
    """Say which kinds cost each run accuracy that chance does not explain, the worst first."""
    for title, measured in found.items():
        losses = sorted(
            (kept.ratio.value, kind)
            for kind, kept in measured.kinds.items()
            if kept.ratio is not None and kept.ratio.value < 1 and kept.p_holm < _ALPHA
        )
        if losses:
            named = ", ".join(
                f"{in_words(kind)} ({100 * ratio:.1f} % kept)" for ratio, kind in losses
            )
            yield f"{title} loses accuracy beyond chance under {named}."
        else:
            yield f"{title}: no loss is shown under any kind (p by Holm of at least {_ALPHA})."


def _left_out(corrupted: Sequence[Assessment], found: Mapping[str, Robustness]) -> Iterator[str]:
    if lacking := [one.run.title for one in corrupted if one.run.title not in found]:
        yield (
            f"Not shown for {', '.join(lacking)}: the report has no run of the model on the same "
            "images clean."
        )


def _rows(title: str, measured: Robustness) -> Iterator[Row]:
    if len(measured.kinds) > 1:
        yield title, _ALL, *_cells(measured.overall, tested=False), *(None for _ in STRENGTHS)
    for kind, kept in measured.kinds.items():
        parts = measured.strengths[kind]
        at_strengths = (_ratio(parts.get(strength)) for strength in STRENGTHS)
        yield title, in_words(kind), *_cells(kept, tested=True), *at_strengths


def _cells(kept: Kept, *, tested: bool) -> Row:
    counts = kept.counts
    return (
        counts.n,
        Percent(counts.accuracy_b),
        Percent(counts.accuracy_a),
        _ratio(kept),
        PValue(kept.p),
        PValue(kept.p_holm) if tested else None,
    )


def _ratio(kept: Kept | None) -> Cell:
    return with_interval(Percent, kept.ratio) if kept else None
