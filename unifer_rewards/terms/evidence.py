"""What of a rationale a bonus may be paid for."""

from __future__ import annotations

from unifer_tasks.rationale.reasoning import Argument, read_rationale, seen_units
from unifer_tasks.rationale.repetition import MIN_DISTINCT, repetition

MOST_UNITS = 9
"""More of the 14 units that distinguish expressions are a list; no prototype has more than 7."""


def evidence(rationale: str | None) -> Argument:
    """Return what a rationale argues; nothing if it loops, or lists what no one face shows.

    Args:
        rationale: Its text; None where a response has none.
    """
    if rationale is None or repetition(rationale) < MIN_DISTINCT:
        return Argument()
    argument = read_rationale(rationale)
    return argument if len(seen_units(argument)) <= MOST_UNITS else Argument()
