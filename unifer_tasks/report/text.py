"""Numbers and foreign words as every output of a report writes them."""

from __future__ import annotations

import re

# Controls, bidirectional overrides, separators that break lines unseen, halves of pairs.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def visible(text: str) -> str:
    """Spell out every character that would act unseen, as in U+202E."""
    return _UNSEEN.sub(lambda match: f"U+{ord(match[0]):04X}", text)


def signed(value: float, digits: int) -> str:
    """Write a difference with its sign; what rounds to zero has none."""
    text = f"{value:+.{digits}f}"
    return text if float(text) else text[1:]
