"""Order bias: what is found of a model that looks, of one that takes a place, of gaps."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.protocol.variants.listed import orders
from unifer_tasks.report.sections.orders import OrderedAnswer, order_bias

SFEW = LABEL_SPACES["sfew"].labels


def answers(*labels: str | int | None, target: str = "sad", name: str = "a") -> list[OrderedAnswer]:
    """One question under as many orders as there are labels; a number is a place in the list."""
    return [
        OrderedAnswer(
            name, target, order[label] if isinstance(label, int) else label, turn, tuple(order)
        )
        for turn, (order, label) in enumerate(zip(orders(SFEW), labels, strict=False))
    ]


def test_a_model_that_sees_has_no_order_bias() -> None:
    bias = order_bias(answers(*["sad"] * 4) + answers(*["fear"] * 4, target="happy", name="b"))
    assert bias.accuracy == (0.5,) * 4
    assert bias.spread == 0
    assert bias.agreement == 1
    assert bias.positions == pytest.approx(bias.expected)


def test_a_model_that_takes_the_first_label_is_found_out() -> None:
    bias = order_bias(answers(0, 0, 0, 0))
    assert bias.accuracy == (1, 0, 0, 0)
    assert bias.spread == 1
    assert bias.agreement == 0
    assert bias.positions == (1, 0, 0, 0, 0, 0, 0)
    assert bias.expected[0] == pytest.approx(1 / 4)


def test_what_was_not_read_or_not_asked_is_not_made_up() -> None:
    bias = order_bias(answers("sad", None))
    assert bias.accuracy[:2] == (1, 0)
    assert all(math.isnan(value) for value in bias.accuracy[2:])
    assert (bias.spread, bias.positions[0]) == (1, 1)
    assert math.isnan(bias.agreement)
    unread = order_bias(answers(*[None] * 4))
    assert unread.agreement == 0
    assert all(math.isnan(share) for share in unread.positions)


def test_order_bias_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one"):
        order_bias([])


@given(st.lists(st.lists(st.sampled_from([*SFEW, None]), min_size=4, max_size=4), min_size=1))
def test_shares_of_places_add_up(labels: list[list[str | None]]) -> None:
    rows = [
        row for number, given_ in enumerate(labels) for row in answers(*given_, name=f"{number}")
    ]
    bias = order_bias(rows)
    if any(row.label for row in rows):
        assert sum(bias.positions) == pytest.approx(1)
        assert sum(bias.expected) == pytest.approx(1)
    assert 0 <= bias.spread <= 1
    assert 0 <= bias.agreement <= 1
