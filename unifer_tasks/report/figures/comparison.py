"""Compare two runs on the questions that both answered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from unifer_tasks.data.predictions import PredictionError
from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.protocol.variants.listed import BASE
from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.scoring.paired import PairedCounts, difference_interval, mcnemar, with_holm
from unifer_tasks.scoring.summary import POOLED, Reading, pooled_datasets
from unifer_tasks.support.counted import counted


class ComparisonError(PredictionError):
    """Two runs cannot be compared; the message gives the reason."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference of accuracy and how sure it is.

    Attributes:
        counts: Questions by who was right; at least one.
        a: The accuracy of the first run on the shared questions, in [0, 1].
        b: That of the second.
        difference: a - b, in [-1, 1].
        interval: Low and high of the difference, at 95 % (see `paired.difference_interval`).
        p: Of McNemar's exact test, two-sided.
        p_holm: The same, corrected by Holm over all tests that were made together.
    """

    counts: PairedCounts
    a: float
    b: float
    difference: float
    interval: tuple[float, float]
    p: float
    p_holm: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs, paired question by question, both by the strict reader.

    Attributes:
        a: Title of the first run (`Run.title`).
        b: Title of the second.
        datasets: Dataset key -> the difference on it; datasets without a shared question are
            absent.
        pooled: The difference over the shared questions of FERBench's datasets, or of the others
            where no question of these is shared.
        only_in_a: Questions that the second run lacks.
        only_in_b: Questions that the first run lacks.
    """

    a: str
    b: str
    datasets: Mapping[str, Difference]
    pooled: Difference
    only_in_a: int
    only_in_b: int


def compare(pairs: Iterable[tuple[Assessment, Assessment]]) -> list[Comparison]:
    """Compare pairs of runs, with one correction over all their tests.

    Raises:
        ComparisonError: A pair shares no question, one run is of synthetic faces and the other is
            not, or they disagree on a true label.
    """
    comparisons = [_compare(a, b) for a, b in pairs]
    tests = with_holm(
        {
            (number, scope): part
            for number, each in enumerate(comparisons)
            for scope, part in {POOLED: each.pooled, **each.datasets}.items()
        }
    )
    return [
        replace(
            each,
            pooled=tests[number, POOLED],
            datasets={dataset: tests[number, dataset] for dataset in each.datasets},
        )
        for number, each in enumerate(comparisons)
    ]


def report_pairs(assessments: Sequence[Assessment]) -> list[tuple[Assessment, Assessment]]:
    """Return the pairs that a report compares: base with base, and each variant with its base.

    Pairs that cannot be compared are left out.
    """
    pairs = [
        (a, b)
        for a, b in combinations(assessments, 2)
        if a.run.variant is b.run.variant is BASE
        or (a.run.name == b.run.name and BASE in (a.run.variant, b.run.variant))
    ]
    return [(a, b) for a, b in pairs if why_not(a, b) is None]


def why_not(a: Assessment, b: Assessment) -> str | None:
    """Explain why two runs cannot be compared; None if they can."""
    if {a.run.stand_in, b.run.stand_in} == {True, False}:
        drawn, real = (a, b) if a.run.stand_in else (b, a)
        return f"{drawn.run.title} saw synthetic faces and {real.run.title} the benchmark's images"
    # A report compares many pairs, nearly all of the same questions.
    if a.targets == b.targets:
        return None
    shared = [question for question in a.by_question if question in b.by_question]
    if not shared:
        return f"{a.run.title} and {b.run.title} share no question"
    wrong = [(d, id_) for d, id_ in shared if a.targets[d][id_] != b.targets[d][id_]]
    if wrong:
        dataset, id_ = wrong[0]
        return (
            f"{a.run.title} and {b.run.title} disagree on the true label of "
            f"{counted(len(wrong), 'question')}, such as {dataset} {id_!r}: they are of "
            "different data"
        )
    return None


def flips(a: Assessment, b: Assessment) -> Iterator[tuple[Reading, Reading]]:
    """Yield the shared questions that one run has right and the other wrong, in the order of a."""
    for question, row in a.by_question.items():
        other = b.by_question.get(question)
        if other and row.is_right != other.is_right:
            yield row, other


def _compare(a: Assessment, b: Assessment) -> Comparison:
    if reason := why_not(a, b):
        raise ComparisonError(f"{reason}; their figures cannot be compared")
    counts = {
        dataset: part
        for dataset in LABEL_SPACES
        if dataset in a.targets and dataset in b.targets
        if (part := _dataset_counts(a, b, dataset)).n
    }
    nothing = PairedCounts(0, 0, 0, 0)
    pooled = sum((counts[dataset] for dataset in pooled_datasets(counts)), start=nothing)
    shared = sum(part.n for part in counts.values())
    return Comparison(
        a.run.title,
        b.run.title,
        {dataset: _difference(part) for dataset, part in counts.items()},
        _difference(pooled),
        len(a.readings) - shared,
        len(b.readings) - shared,
    )


def _dataset_counts(a: Assessment, b: Assessment, dataset: str) -> PairedCounts:
    """Count a dataset's shared questions; by sets, as a report has hundreds of pairs."""
    shared = a.targets[dataset].keys() & b.targets[dataset].keys()
    right_a, right_b = a.right[dataset] & shared, b.right[dataset] & shared
    both = len(right_a & right_b)
    only_a, only_b = len(right_a) - both, len(right_b) - both
    return PairedCounts(both, only_a, only_b, len(shared) - both - only_a - only_b)


def _difference(counts: PairedCounts) -> Difference:
    p = mcnemar(counts)
    return Difference(
        counts,
        counts.accuracy_a,
        counts.accuracy_b,
        counts.difference,
        difference_interval(counts),
        p,
        p,
    )
