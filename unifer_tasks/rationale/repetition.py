"""Measure how much a text repeats itself, for the reward and the report."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice

_RUN = 4
"""Words of a run: "the corners of the" may recur, and a loop is still caught."""

MIN_DISTINCT = 0.7
"""A text whose `repetition` is lower repeats itself."""


def repetition(text: str) -> float:
    """Score how little a text repeats itself.

    Distinct-n (Li et al., arXiv 1510.03055) with n = 4: the number of distinct runs of four words
    over the number of runs, ignoring case. Words are separated by white space; a text of fewer
    than four words scores 1.

    Returns:
        The score, in (0, 1]; 1 if no run occurs twice.
    """
    words = text.lower().split()
    n_runs = _count_runs(words)
    return len(set(_runs(words))) / n_runs if n_runs else 1.0


def repeats(text: str) -> bool:
    """Return whether a text repeats itself: its `repetition` is lower than `MIN_DISTINCT`."""
    words = text.lower().split()
    runs = _runs(words)
    enough = math.ceil(MIN_DISTINCT * _count_runs(words))
    distinct = set(islice(runs, enough))
    # Most texts begin with as many distinct runs as the whole needs.
    if len(distinct) < enough:
        distinct.update(runs)
    return len(distinct) < enough


def _runs(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    return zip(*[words[first:] for first in range(_RUN)], strict=False)


def _count_runs(words: Sequence[str]) -> int:
    return max(0, len(words) - _RUN + 1)
