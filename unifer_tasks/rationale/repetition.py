"""How much a text repeats itself: for the reward, and for the report."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice

N_GRAM = 4
"""Long enough that "the corners of the" may recur, short enough to catch a loop."""

MIN_DISTINCT = 0.7
"""A text whose `repetition` is lower repeats itself."""


def repetition(words: Sequence[str]) -> float:
    """Score how little a text repeats itself.

    The number of different runs of four words over the number of such runs, upper and lower
    case alike: distinct-n (Li et al., arXiv 1510.03055) with n = 4. A text of fewer than
    four words scores 1.

    Args:
        words: The text's words, in order.

    Returns:
        The score, in (0, 1]; 1 if nothing is said twice.
    """
    runs = len(words) - N_GRAM + 1
    if runs < 1:
        return 1.0
    # One string for each word: a loop of millions of words costs little memory.
    spellings: dict[str, str] = {}
    lowered = (spellings.setdefault(word, word) for word in map(str.lower, words))
    grams = deque(islice(lowered, N_GRAM - 1), maxlen=N_GRAM)
    distinct = set()
    for word in lowered:
        grams.append(word)
        distinct.add(tuple(grams))
    return len(distinct) / runs
