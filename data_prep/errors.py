"""The error that every command reports in one line and ends on."""

from __future__ import annotations


class PreparationError(Exception):
    """Data cannot be prepared as asked; the message names the place and the remedy."""


_MOST_SHOWN = 120


def brief(value: object) -> str:
    """Return what a message shows of a value that came from a file, however long that is."""
    text = str(value) if isinstance(value, BaseException) else repr(value)
    text = " ".join(text.split())
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."
