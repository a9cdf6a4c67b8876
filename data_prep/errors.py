"""The error that every command reports in one line and ends on."""

from __future__ import annotations


class PreparationError(Exception):
    """Data cannot be prepared as asked; the message names the place and the remedy."""
