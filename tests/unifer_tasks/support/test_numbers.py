"""Numbers of a command line: what each option takes, and what it says of the rest."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import pytest

from unifer_tasks.support.numbers import (
    natural_number,
    non_negative_number,
    positive_integer,
    positive_number,
    share,
)

Read = Callable[[str], float]


@pytest.mark.parametrize(
    ("read", "text", "number"),
    [
        (positive_integer, "1", 1),
        (positive_integer, "007", 7),
        (natural_number, "0", 0),
        (positive_number, "0.5", 0.5),
        (positive_number, "1e3", 1000),
        (non_negative_number, "0", 0),
        (share, "0", 0),
        (share, "0.99", 0.99),
    ],
)
def test_numbers_are_read(read: Read, text: str, number: float) -> None:
    assert read(text) == number


@pytest.mark.parametrize(
    ("read", "texts", "remedy"),
    [
        (
            positive_integer,
            ["0", "-1", "1.5", "1e3", "", "many", "٣"],
            "a whole number of 1 or more",
        ),
        (natural_number, ["-1", "0.0", "", "²", "٣"], "a whole number of 0 or more"),
        (positive_number, ["0", "-1", "nan", "inf", "", "many"], "a number above 0"),
        (non_negative_number, ["-0.1", "nan", "inf", "", "many"], "a number of 0 or more"),
        (share, ["1", "-0.1", "nan", "", "half"], "a share, at least 0 and below 1"),
    ],
)
def test_what_is_not_such_a_number_is_refused(read: Read, texts: list[str], remedy: str) -> None:
    for text in texts:
        with pytest.raises(argparse.ArgumentTypeError) as error:
            read(text)
        assert str(error.value) == f"{text!r}: give {remedy}"
