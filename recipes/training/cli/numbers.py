"""Numbers of a command line."""

from __future__ import annotations

import argparse


def whole(text: str) -> int:
    """Return the whole number of 1 or more that an option was given.

    Raises:
        argparse.ArgumentTypeError: It is not one.
    """
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: give a whole number of 1 or more")
    return int(text)
