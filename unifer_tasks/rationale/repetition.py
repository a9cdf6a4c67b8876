"""Measure how much a text repeats itself, for the reward and the report."""

from __future__ import annotations

N_GRAM = 4
"""Words per run: "the corners of the" may recur, and a loop is still caught."""

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
    runs = len(words) - N_GRAM + 1
    if runs < 1:
        return 1.0
    grams = zip(*[words[first:] for first in range(N_GRAM)], strict=False)
    return len(set(grams)) / runs
