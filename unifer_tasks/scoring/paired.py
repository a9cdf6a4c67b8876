"""Compare two systems on the same questions, with tests and intervals.

Only the questions that one has right and the other wrong carry evidence. All functions
are exact or closed formulae; nothing is drawn at random.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any, Protocol, TypeVar, cast

from unifer_tasks.scoring.intervals import LEVEL, Interval, wilson

ALPHA = 0.05
"""A difference is shown where the p-value of its test, corrected by Holm, is below this."""


@dataclass(frozen=True, slots=True)
class PairedCounts:
    """How two systems, a and b, did on the questions that both were asked.

    Attributes:
        both: Both right.
        only_a: a right and b wrong.
        only_b: b right and a wrong.
        neither: Both wrong.
    """

    both: int
    only_a: int
    only_b: int
    neither: int

    @classmethod
    def of(cls, questions: Iterable[tuple[bool, bool]]) -> PairedCounts:
        """Count questions, of each whether a and whether b is right."""
        cells = Counter(questions)
        return cls(cells[True, True], cells[True, False], cells[False, True], cells[False, False])

    @property
    def n(self) -> int:
        """The number of questions."""
        return self.both + self.only_a + self.only_b + self.neither

    @property
    def accuracy_a(self) -> float:
        """The accuracy of a, in [0, 1]."""
        return (self.both + self.only_a) / self.n

    @property
    def accuracy_b(self) -> float:
        """The accuracy of b, in [0, 1]."""
        return (self.both + self.only_b) / self.n

    @property
    def difference(self) -> float:
        """The accuracy of a less that of b, in [-1, 1]."""
        return (self.only_a - self.only_b) / self.n

    def __add__(self, other: PairedCounts) -> PairedCounts:
        return PairedCounts(
            self.both + other.both,
            self.only_a + other.only_a,
            self.only_b + other.only_b,
            self.neither + other.neither,
        )


def mcnemar(counts: PairedCounts) -> float:
    """Return the two-sided p-value of McNemar's exact test, in [0, 1].

    If a and b are equally good, the questions that only one has right fall to either with
    probability 1/2: p is twice the smaller tail of that binomial distribution, at most 1. The
    tail is summed in whole numbers, so p is exact to the last digit (and 0.0 below 1e-323).
    """
    n, fewer = counts.only_a + counts.only_b, min(counts.only_a, counts.only_b)
    ways = tail = 1
    for k in range(fewer):
        ways = ways * (n - k) // (k + 1)
        tail += ways
    return min(1.0, tail / (1 << n) * 2)


def difference_interval(counts: PairedCounts) -> Interval:
    """Return an interval of the difference of the accuracies, a less b.

    Newcombe's square-and-add interval for paired proportions, with continuity-corrected phi
    (R. G. Newcombe, Statistics in Medicine 17 (1998) 2635-2650, method 10): Wilson's intervals
    of the two accuracies, joined under their correlation. It keeps its coverage where one
    system is nearly always right and where few questions differ.

    Args:
        counts: At least one question.

    Raises:
        ValueError: There are no questions.
    """
    n = counts.n
    if not n:
        raise ValueError("no question was answered by both")
    right_a, right_b = counts.both + counts.only_a, counts.both + counts.only_b
    low_a, high_a = wilson(right_a, n)
    low_b, high_b = wilson(right_b, n)
    a, b, phi = counts.accuracy_a, counts.accuracy_b, _phi(counts)

    def joined(to_a: float, to_b: float) -> float:
        # Rounding can leave a hair below zero.
        return math.sqrt(max(0.0, to_a**2 - 2 * phi * to_a * to_b + to_b**2))

    return (
        max(-1.0, counts.difference - joined(a - low_a, high_b - b)),
        min(1.0, counts.difference + joined(high_a - a, b - low_b)),
    )


def ratio_interval(counts: PairedCounts) -> Interval:
    """Return an interval of the ratio of the accuracies, a by b.

    The hybrid Wilson interval for a ratio of paired proportions (D. G. Bonett and R. M. Price,
    Statistics in Medicine 25 (2006) 3039-3047), which M. W. Fagerland, S. Lydersen and P. Laake
    recommend (ibid. 33 (2014) 2850-2875): questions that both have wrong do not count.

    Args:
        counts: At least one question that b has right.

    Raises:
        ValueError: b has none right, so the ratio is undefined.
    """
    right_a, right_b = counts.both + counts.only_a, counts.both + counts.only_b
    if not right_b:
        raise ValueError("the second has no question right")
    n = counts.n - counts.neither

    def spread(right: int) -> float:
        return math.sqrt((1 - (right + 1) / (n + 2)) / (right + 1))

    flipped = counts.only_a + counts.only_b
    joint = math.sqrt((flipped + 2) / ((right_a + 1) * (right_b + 1)))
    z = NormalDist().inv_cdf((1 + LEVEL) / 2) * joint / (spread(right_a) + spread(right_b))
    narrowed = 2 * NormalDist().cdf(z) - 1
    low_a, high_a = wilson(right_a, n, narrowed)
    low_b, high_b = wilson(right_b, n, narrowed)
    return low_a / high_b, high_a / low_b


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct the p-values of tests made together, so that the family-wise error rate holds.

    Holm's step-down procedure (S. Holm, Scandinavian Journal of Statistics 6 (1979) 65-70).

    Returns:
        The corrected values in the order given; none is smaller than what it corrects.
    """
    corrected = [0.0] * len(p_values)
    largest = 0.0
    ranked = sorted(range(len(p_values)), key=p_values.__getitem__)
    for rank, index in enumerate(ranked):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected


class Tested(Protocol):
    """A dataclass with the p-value of a test, and the same corrected for tests beside it."""

    @property
    def p(self) -> float: ...  # noqa: D102
    @property
    def p_holm(self) -> float: ...  # noqa: D102


_Name = TypeVar("_Name", bound=Hashable)
_Test = TypeVar("_Test", bound=Tested)


def with_holm(tests: Mapping[_Name, _Test]) -> dict[_Name, _Test]:
    """Return tests made together, in the order given, each with its `p_holm`."""
    corrected = holm([test.p for test in tests.values()])
    return {
        # A protocol cannot require a dataclass.
        name: cast(_Test, replace(cast(Any, test), p_holm=p))
        for (name, test), p in zip(tests.items(), corrected, strict=True)
    }


def _phi(counts: PairedCounts) -> float:
    """Return the correlation of being right, a positive one shrunk by half a question."""
    right_a, right_b = counts.both + counts.only_a, counts.both + counts.only_b
    margins = right_a * (counts.n - right_a) * right_b * (counts.n - right_b)
    if not margins:
        return 0.0
    excess = counts.both * counts.neither - counts.only_a * counts.only_b
    shrunk = max(excess - counts.n / 2, 0.0) if excess > 0 else excess
    return shrunk / math.sqrt(margins)
