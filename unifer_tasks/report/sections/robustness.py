"""Robustness: how much of the accuracy is kept when the image is corrupted.

Each question was asked twice, with its image clean (the base) and corrupted (a variant that
corrupts), so the two accuracies are paired, and their ratio is known better than either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from unifer_tasks.protocol.variants.corruptions import STRENGTHS, Condition, condition_of, in_words
from unifer_tasks.protocol.variants.listed import BASE
from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.report.figures.comparison import why_not
from unifer_tasks.report.figures.tables import (
    Cell,
    Percent,
    PValue,
    Row,
    Section,
    Table,
    with_interval,
)
from unifer_tasks.scoring.intervals import Estimate
from unifer_tasks.scoring.paired import ALPHA, PairedCounts, mcnemar, ratio_interval, with_holm

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


@dataclass(frozen=True, slots=True)
class Kept:
    """The accuracy kept over a set of questions.

    Attributes:
        counts: The questions, by which answer was right: a is of the corrupted image, b of the
            clean one.
        ratio: The accuracy on corrupted images by that on clean ones; None where the model has no
            clean image right.
        p: Of McNemar's exact test that nothing changes, two-sided.
        p_holm: The same, corrected by Holm over the kinds of the run.
    """

    counts: PairedCounts
    ratio: Estimate | None
    p: float
    p_holm: float


@dataclass(frozen=True, slots=True)
class Robustness:
    """The accuracy that a run on corrupted images keeps of its base.

    Attributes:
        overall: Over all questions.
        kinds: Kind -> over its questions.
        strengths: Kind -> strength -> over the questions with both.
    """

    overall: Kept
    kinds: Mapping[str, Kept]
    strengths: Mapping[str, Mapping[int, Kept]]


def section(assessments: Sequence[Assessment]) -> Section | None:
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
            if kept.ratio is not None and kept.ratio.value < 1 and kept.p_holm < ALPHA
        )
        if losses:
            named = ", ".join(
                f"{in_words(kind)} ({100 * ratio:.1f} % kept)" for ratio, kind in losses
            )
            yield f"{title} loses accuracy beyond chance under {named}."
        else:
            yield f"{title}: no loss is shown under any kind (p by Holm of at least {ALPHA})."


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


def robustness(one: Assessment, base: Assessment) -> Robustness | None:
    """Compare a run on corrupted images with the base; None if they cannot be compared.

    Args:
        one: A run of a variant that corrupts.
        base: A run of the benchmark by the same model.
    """
    kinds = one.run.variant.corrupts
    if why_not(one, base) is not None:
        return None
    pairs: dict[Condition, list[tuple[bool, bool]]] = {}
    for question, row in one.by_question.items():
        if reference := base.by_question.get(question):
            condition = condition_of(*question, kinds)
            pairs.setdefault(condition, []).append((row.is_right, reference.is_right))
    counts = {condition: PairedCounts.of(part) for condition, part in pairs.items()}
    by_kind = {
        kind: {
            strength: counts[Condition(kind, strength)]
            for strength in STRENGTHS
            if Condition(kind, strength) in counts
        }
        for kind in kinds
    }
    by_kind = {kind: parts for kind, parts in by_kind.items() if parts}
    return Robustness(
        _kept(*counts.values()),
        with_holm({kind: _kept(*parts.values()) for kind, parts in by_kind.items()}),
        {
            kind: {strength: _kept(part) for strength, part in parts.items()}
            for kind, parts in by_kind.items()
        },
    )


def _kept(*parts: PairedCounts) -> Kept:
    counts = sum(parts, start=PairedCounts(0, 0, 0, 0))
    p = mcnemar(counts)
    ratio = None
    if counts.both + counts.only_b:
        value = counts.accuracy_a / counts.accuracy_b
        ratio = Estimate(value, ratio_interval(counts))
    return Kept(counts, ratio, p, p)
