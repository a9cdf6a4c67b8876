"""Term: is the response short enough?"""

from __future__ import annotations

FREE_WORDS = 300
"""Up to here a response is short: some 400 tokens."""
MOST_WORDS = 700
"""From here on it is too long: close to the 1,024 tokens of the recipe."""


def brevity(words: int, free_words: int = FREE_WORDS, most_words: int = MOST_WORDS) -> float:
    """Score the length of a response.

    1 up to `free_words`, 0 from `most_words` on, linear in between: the soft overlong punishment
    of DAPO (Yu et al., arXiv 2503.14476), in words and as a reward.

    Args:
        words: The number of words, separated by white space.
        free_words: The greatest length that scores 1.
        most_words: The smallest length that scores 0; greater than `free_words`.

    Returns:
        The score, in [0, 1].
    """
    return min(1.0, max(0.0, (most_words - words) / (most_words - free_words)))
