"""Numbers with their nouns, for messages."""

from __future__ import annotations

import re


def counted(n: int, noun: str) -> str:
    """Return a number with its noun in the right form: 1 entry, 2 entries, 3,000 rows."""
    if n != 1:
        entry = re.fullmatch(r"(.*[^aeiou])y", noun)
        noun = f"{entry[1]}ies" if entry else f"{noun}s"
    return f"{n:,} {noun}"
