"""Numbers of a command line, as `type` of an argparse option."""

from __future__ import annotations

import argparse
import math


def positive_integer(text: str) -> int:
    """Read an integer of at least 1.

    Raises:
        argparse.ArgumentTypeError: It is not one.
    """
    if not _is_decimal(text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: give a whole number of 1 or more")
    return int(text)


def natural_number(text: str) -> int:
    """Read an integer of at least 0.

    Raises:
        argparse.ArgumentTypeError: It is not one.
    """
    if not _is_decimal(text):
        raise argparse.ArgumentTypeError(f"{text!r}: give a whole number of 0 or more")
    return int(text)


def positive_number(text: str) -> float:
    """Read a finite number above 0.

    Raises:
        argparse.ArgumentTypeError: It is not one.
    """
    if not 0 < (number := _number(text)) < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r}: give a number above 0")
    return number


def non_negative_number(text: str) -> float:
    """Read a finite number of at least 0.

    Raises:
        argparse.ArgumentTypeError: It is not one.
    """
    if not 0 <= (number := _number(text)) < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r}: give a number of 0 or more")
    return number


def share(text: str) -> float:
    """Read a share: at least 0 and below 1.

    Raises:
        argparse.ArgumentTypeError: It is not one.
    """
    if not 0 <= (number := _number(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: give a share, at least 0 and below 1")
    return number


def _is_decimal(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
