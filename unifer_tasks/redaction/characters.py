"""Characters that act unseen: which ones they are, and how a reader gets to see them."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager

from unifer_tasks.redaction.streams import output_through

UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
"""Controls, bidirectional overrides, separators that break lines unseen, halves of pairs."""

_COLOR = re.compile(r"\x1b\[[0-9;]*m")
# How a progress bar moves: to its line, and to the start of it before it writes.
_MOVES = re.compile(r"(\x1b\[A|[\r\n])*")
_START = re.compile(r"\r")


def visible(text: str) -> str:
    """Spell out every character that would act unseen, as in U+202E."""
    return UNSEEN.sub(lambda match: f"U+{ord(match[0]):04X}", text)


def encodable(text: str) -> str:
    """Return a text with the halves of surrogate pairs joined, and a U+FFFD for each lone one."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def one_line(text: str) -> str:
    """Return a text in one line without what acts unseen."""
    return " ".join(visible(text).split())


def without_colors(text: str) -> str:
    """Return what a program printed without the marks that color it on a terminal."""
    return _COLOR.sub("", text)


def visible_output() -> AbstractContextManager[None]:
    """Spell out what acts unseen in all that this process prints until the block ends.

    Messages quote names and paths of files from elsewhere, which could clear a terminal, name its
    window or write over what was printed before.
    """
    return output_through(_visible_printed)


def _visible_printed(text: str) -> str:
    moves = _MOVES.fullmatch(text) or _START.match(text)
    own = moves[0] if moves else ""
    return own + visible(text.removeprefix(own))
