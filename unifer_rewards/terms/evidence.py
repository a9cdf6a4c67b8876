"""Select the content of a rationale that counts for a bonus."""

from __future__ import annotations

from collections.abc import Sequence

from unifer_tasks.rationale.reasoning import Argument, read_rationale, seen_units
from unifer_tasks.rationale.repetition import repeats

MOST_UNITS = 9
"""More of the 14 distinctive units count as a list; no prototype has more than 7."""


def evidence(rationale: str | None, words: Sequence[str]) -> Argument:
    """Return the content of a rationale; empty of a loop, or a list of too many units for one face.

    Args:
        rationale: Its text; None if the response has none.
        words: The response's, as `repetition.lower_words` gives them: the report too calls a
            response a loop, and not its rationale.
    """
    if rationale is None or repeats(words):
        return Argument()
    argument = read_rationale(rationale)
    return argument if len(seen_units(argument)) <= MOST_UNITS else Argument()
