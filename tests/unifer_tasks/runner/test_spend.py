from __future__ import annotations

from typing import Any

import pytest

from unifer_tasks.harness.requests.progress import Progress
from unifer_tasks.runner.presets import Price
from unifer_tasks.runner.spend import estimate, most_tokens_out, spent

PRICE = Price(1.25, 10.0)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [({}, 1024), ({"gen_kwargs": "max_new_tokens=1152"}, 1152), ({"gen_kwargs": "a=1"}, 1024)],
)
def test_the_limit_of_an_answer(settings: dict[str, Any], expected: int) -> None:
    assert most_tokens_out(settings) == expected


def test_before_anything_was_counted_the_estimate_is_a_bound() -> None:
    # 1,000 questions: 600 tokens in at 1.25 and 1,024 out at 10, a million.
    assert estimate(PRICE, 1000, 1024, None).startswith("at most about 10.99 for 1,000 questions")
    assert "assumed" in estimate(PRICE, 1000, 1024, Progress(total=10))


def test_what_was_counted_gives_the_estimate() -> None:
    seen = Progress(total=100, answered=100, tokens_in=30_000, tokens_out=20_000)
    # 900 are left at 300 in and 200 out.
    assert estimate(PRICE, 1000, 1024, seen).startswith("about 2.14 for 900 questions")


def test_what_was_spent() -> None:
    progress = Progress(total=4, answered=4, tokens_in=1_000_000, tokens_out=100_000)
    assert spent(PRICE, progress).startswith("2.25 for 1,000,000 tokens in and 100,000 out")
