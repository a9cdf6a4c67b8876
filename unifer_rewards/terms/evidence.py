"""Select the content of a rationale that counts for a bonus."""

from __future__ import annotations

from unifer_tasks.rationale.reasoning import Argument, read_rationale, seen_units
from unifer_tasks.rationale.repetition import lower_words, repeats

MOST_UNITS = 9
"""More of the 14 distinctive units count as a list; no prototype has more than 7."""


def evidence(rationale: str | None) -> Argument:
    """Return the content of a rationale; empty if it loops, or lists too many units for one face.

    Args:
        rationale: Its text; None if the response has none.
    """
    if rationale is None or repeats(lower_words(rationale)):
        return Argument()
    argument = read_rationale(rationale)
    return argument if len(seen_units(argument)) <= MOST_UNITS else Argument()
