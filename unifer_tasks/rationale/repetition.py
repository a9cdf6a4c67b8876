"""Measure how much a text repeats itself, for the reward and the report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice

_RUN = 4
"""Words of a run: "the corners of the" may recur, and a loop is still caught."""

MIN_DISTINCT = 0.7
"""A text whose `repetition` is lower repeats itself."""


def lower_words(text: str) -> list[str]:
    """Return the words of a text, which white space separates, in lower case."""
    return text.lower().split()


def repetition(words: Sequence[str]) -> float:
    """Score how little a text repeats itself.

    Distinct-n (Li et al., arXiv 1510.03055) with n = 4: the number of distinct runs of four words
    over the number of runs. A text of fewer than four words scores 1.

    Args:
        words: The text's `lower_words`.

    Returns:
        The score, in (0, 1]; 1 if no run occurs twice.
    """
    shifted = _shifted(words)
    n_runs = len(shifted[-1])
    return len(set(zip(*shifted, strict=False))) / n_runs if n_runs else 1.0


def repeats(words: Sequence[str]) -> bool:
    """Return whether a text repeats itself: its `repetition` is lower than `MIN_DISTINCT`."""
    shifted = _shifted(words)
    runs = zip(*shifted, strict=False)
    enough = math.ceil(MIN_DISTINCT * len(shifted[-1]))
    distinct = set(islice(runs, enough))
    # Most texts begin with as many distinct runs as the whole needs.
    if len(distinct) < enough:
        distinct.update(runs)
    return len(distinct) < enough


def _shifted(words: Sequence[str]) -> list[Sequence[str]]:
    """Return lists that are a run where they are zipped; the last is as long as there are runs."""
    return [words[first:] for first in range(_RUN)]
