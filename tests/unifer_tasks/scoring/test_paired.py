from __future__ import annotations

from dataclasses import astuple, dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from unifer_tasks.scoring.paired import (
    PairedCounts,
    difference_interval,
    holm,
    mcnemar,
    ratio_interval,
    with_holm,
)

COUNTS = st.builds(PairedCounts, *[st.integers(0, 300)] * 4).filter(lambda counts: counts.n > 0)
P_VALUES = st.lists(st.floats(0, 1), max_size=12)


def swapped(counts: PairedCounts) -> PairedCounts:
    return PairedCounts(counts.both, counts.only_b, counts.only_a, counts.neither)


@given(COUNTS)
def test_mcnemar_is_the_exact_binomial_test_of_the_flips(counts: PairedCounts) -> None:
    flipped = counts.only_a + counts.only_b
    expected = binomtest(counts.only_a, flipped).pvalue if flipped else 1.0
    assert mcnemar(counts) == pytest.approx(expected, rel=1e-9)
    assert 0 <= mcnemar(counts) <= 1
    assert mcnemar(swapped(counts)) == mcnemar(counts)


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [
        (0, 0, 1.0),
        (1, 0, 1.0),
        (5, 5, 1.0),
        (6, 0, 2 / 2**6),
        (8, 2, 2 * (1 + 10 + 45) / 2**10),
        (12, 2, 2 * (1 + 14 + 91) / 2**14),
        (5000, 5000, 1.0),
        (11_072, 0, 0.0),
    ],
)
def test_mcnemar_by_hand(only_a: int, only_b: int, p: float) -> None:
    assert mcnemar(PairedCounts(40, only_a, only_b, 7)) == p


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        # Newcombe (1998), table III, method 10.
        ((36, 12, 2, 0), 0.0569, 0.3404),
        # Airway hyper-responsiveness before and after transplantation: Fagerland, Lydersen and
        # Laake, Statistics in Medicine 33 (2014) 2850-2875.
        ((1, 1, 7, 12), -0.507, -0.026),
    ],
)
def test_the_interval_of_published_examples(
    counts: tuple[int, int, int, int], low: float, high: float
) -> None:
    digits = 4 if low > 0 else 3
    found = difference_interval(PairedCounts(*counts))
    assert tuple(round(bound, digits) for bound in found) == (low, high)


@given(COUNTS)
def test_the_interval_holds_the_difference_and_turns_with_its_sign(counts: PairedCounts) -> None:
    low, high = difference_interval(counts)
    assert -1 <= low <= counts.difference + 1e-12
    assert counts.difference - 1e-12 <= high <= 1
    assert difference_interval(swapped(counts)) == pytest.approx((-high, -low), abs=1e-12)


def test_no_shared_question_has_no_interval() -> None:
    with pytest.raises(ValueError, match="no question"):
        difference_interval(PairedCounts(0, 0, 0, 0))


def test_counts_add_up() -> None:
    total = PairedCounts(1, 2, 3, 4) + PairedCounts(10, 20, 30, 40)
    assert astuple(total) == (11, 22, 33, 44)
    assert (total.n, total.accuracy_a, total.accuracy_b) == (110, 0.3, 0.4)
    assert total.difference == pytest.approx(-0.1)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(P_VALUES)
def test_holm_keeps_the_order_and_only_raises(values: list[float]) -> None:
    corrected = holm(values)
    for p, q in zip(values, corrected, strict=True):
        assert p <= q <= 1
    ranked = sorted(range(len(values)), key=values.__getitem__)
    assert [corrected[i] for i in ranked] == sorted(corrected)


@dataclass(frozen=True)
class Tested:
    name: str
    p: float
    p_holm: float = 1.0


@given(P_VALUES)
def test_records_get_their_corrected_values_and_keep_the_rest(values: list[float]) -> None:
    tests = {number: Tested(f"test {number}", p) for number, p in enumerate(values)}
    found = with_holm(tests)
    assert list(found) == list(tests)
    assert [test.p_holm for test in found.values()] == holm(values)
    assert all(replace(found[key], p_holm=1.0) == test for key, test in tests.items())


def test_the_interval_of_a_ratio_is_that_of_a_published_example() -> None:
    # Complete response before and after consolidation therapy: Fagerland, Lydersen and Laake.
    found = ratio_interval(PairedCounts(59, 6, 16, 80))
    assert found == pytest.approx((0.7579, 0.9910), abs=5e-5)


@given(COUNTS.filter(lambda counts: counts.both + counts.only_b > 0))
def test_the_interval_of_a_ratio_holds_it_whatever_both_have_wrong(counts: PairedCounts) -> None:
    low, high = ratio_interval(counts)
    assert 0 <= low <= counts.accuracy_a / counts.accuracy_b <= high
    assert low < high
    assert ratio_interval(replace(counts, neither=counts.neither + 50)) == (low, high)
    if counts.both + counts.only_a:
        turned = ratio_interval(swapped(counts))
        assert turned == pytest.approx((1 / high, 1 / low if low else float("inf")))


def test_there_is_no_ratio_to_nothing() -> None:
    with pytest.raises(ValueError, match="no question right"):
        ratio_interval(PairedCounts(0, 5, 0, 3))


def test_the_interval_of_a_ratio_covers_the_truth() -> None:
    random = np.random.default_rng(0)
    # Both right, only a, only b, neither: the ratio is 0.65 / 0.75.
    draws = random.multinomial(120, [0.6, 0.05, 0.15, 0.2], size=2000)
    intervals = (ratio_interval(PairedCounts(*map(int, row))) for row in draws)
    covered = sum(low <= 0.65 / 0.75 <= high for low, high in intervals)
    assert 0.93 < covered / len(draws) < 0.975
