"""Robustness: the accuracy kept when images are corrupted, by kind and strength.

Each question was asked twice, with its image clean (the base) and corrupted (a variant that
corrupts), so the two accuracies are paired, and their ratio is known better than either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from unifer_tasks.protocol.variants.corruptions import STRENGTHS, Condition, condition_of
from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.report.figures.comparison import LEVEL, why_not
from unifer_tasks.scoring.intervals import Estimate
from unifer_tasks.scoring.paired import PairedCounts, mcnemar, ratio_interval, with_holm


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
        ratio = Estimate(value, ratio_interval(counts, LEVEL))
    return Kept(counts, ratio, p, p)
