from __future__ import annotations

import pytest

from unifer_tasks.support.counted import counted


@pytest.mark.parametrize(
    ("n", "noun", "text"),
    [
        (0, "row", "0 rows"),
        (1, "row", "1 row"),
        (11_072, "question", "11,072 questions"),
        (1, "entry", "1 entry"),
        (2, "entry", "2 entries"),
        (2, "day", "2 days"),
        (1, "failed request", "1 failed request"),
    ],
)
def test_a_noun_follows_its_number(n: int, noun: str, text: str) -> None:
    assert counted(n, noun) == text
