from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unifer_tasks.support.text import signed, visible

# Any code point, halves of surrogate pairs among them.
ANY_TEXT = st.text(st.characters(codec=None))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain\ttext\nas it is, ä 表情 😀", "plain\ttext\nas it is, ä 表情 😀"),
        ("nul\x00", "nulU+0000"),
        ("\u202egnp.exe", "U+202Egnp.exe"),
        ("a\u2028b", "aU+2028b"),
        ("half \ud83d", "half U+D83D"),
        ("zero\u200bwidth", "zeroU+200Bwidth"),
    ],
)
def test_what_acts_unseen_is_spelled_out(text: str, expected: str) -> None:
    assert visible(text) == expected


@given(ANY_TEXT)
def test_visible_text_can_be_written(text: str) -> None:
    assert "\0" not in visible(text)
    visible(text).encode()


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.0, 0, "0"),
        (-0.0, 2, "0.00"),
        (0.4, 0, "0"),
        (-0.4, 0, "0"),
        (-0.04, 1, "0.0"),
        (0.06, 1, "+0.1"),
        (-7.6, 0, "-8"),
    ],
)
def test_what_rounds_to_zero_has_no_sign(value: float, digits: int, text: str) -> None:
    assert signed(value, digits) == text
