"""Term: is the response short enough?"""

from __future__ import annotations

FREE_WORDS = 300
"""As far as this a response is short: some 400 tokens."""
MOST_WORDS = 700
"""From here on it is too long: close to the recipe's 1,024 tokens."""


def brevity(words: int, free_words: int = FREE_WORDS, most_words: int = MOST_WORDS) -> float:
    """Score the length of a response.

    1 up to `free_words`, 0 from `most_words` on, linear between: the soft punishment of
    overlong responses of DAPO (Yu et al., arXiv 2503.14476), on words, as a reward.

    Args:
        words: The number of words, separated by white space.
        free_words: The greatest length that costs nothing.
        most_words: The smallest length that is worth nothing; more than `free_words`.

    Returns:
        The score, in [0, 1].
    """
    return min(1.0, max(0.0, (most_words - words) / (most_words - free_words)))
