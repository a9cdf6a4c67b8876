"""Intervals of proportions that keep a width where all answers are alike.

A bootstrap that draws from answers that are all right draws nothing else, however few they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Interval = tuple[float, float]

LEVEL = 0.95
"""The coverage of the intervals."""

SAME = 1e-12
"""Figures this close differ by rounding alone."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its interval."""

    value: float
    interval: Interval


def wilson(hits: float, n: int, level: float = LEVEL) -> Interval:
    """Return Wilson's score interval of a proportion; [0, 1] where n is 0.

    Args:
        hits: How many of the n; of a mean of shares, their sum.
        n: The number of trials.
        level: Coverage, in (0, 1).
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    centre = hits + z**2 / 2
    # 0 of 0 leaves z^2 / 2 on either side of the centre, which is the whole range.
    width = z * math.sqrt((hits * (n - hits) / n if n else 0) + z**2 / 4)
    # At 0 and 1 the formula gives the end itself, but for rounding.
    low = 0.0 if hits == 0 else (centre - width) / (n + z**2)
    high = 1.0 if hits == n else (centre + width) / (n + z**2)
    return low, high


def proportion(hits: float, n: int) -> Estimate:
    """Return a proportion of at least one trial, with Wilson's interval."""
    return Estimate(hits / n, wilson(hits, n))


def percentiles(drawn: npt.NDArray[np.float64]) -> Interval:
    """Return the interval that holds `LEVEL` of what was drawn."""
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
    return low, high


def square_and_add(parts: Iterable[tuple[float, float, Interval]]) -> Interval:
    """Return the interval of a weighted sum of independent estimates, within [0, 1].

    The distances of the parts' bounds from their estimates add up as standard deviations do
    (R. G. Newcombe, Statistics in Medicine 17 (1998) 873-890; G. Y. Zou and A. Donner, ibid. 27
    (2008) 1693-1702), which needs no interval to be symmetric. One part of weight 1 keeps its own.

    Args:
        parts: Weight, estimate and interval of each; the weights are not negative.
    """
    rows = [(weight, value, *interval) for weight, value, interval in parts]
    total = math.fsum(weight * value for weight, value, _, _ in rows)
    below = math.hypot(*(weight * (value - low) for weight, value, low, _ in rows))
    above = math.hypot(*(weight * (high - value) for weight, value, _, high in rows))
    return max(0.0, total - below), min(1.0, total + above)
