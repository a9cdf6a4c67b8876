from __future__ import annotations

import pytest

from unifer_tasks.report.figures.numbers import signed


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
