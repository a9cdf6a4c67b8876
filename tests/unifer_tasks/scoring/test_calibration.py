"""Calibration: what was planted is found."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unifer_tasks.scoring.calibration import calibration
from unifer_tasks.scoring.intervals import Estimate

LABELS = ("happy", "sad", "fear", "neutral")


def planted(n: int, error: float, seed: int) -> tuple[list[Mapping[str, float]], list[str]]:
    """Rankings whose first label is right `error` less often than its probability says."""
    random = np.random.default_rng(seed)
    rankings: list[Mapping[str, float]] = []
    targets: list[str] = []
    for confidence in random.uniform(0.55, 0.95, n):
        order = random.permutation(LABELS)
        rest = random.dirichlet(np.ones(len(LABELS) - 1)) * (1 - confidence)
        probabilities = [confidence, *rest]
        true = np.array([confidence - error, *(rest * (1 + error / rest.sum()))])
        rankings.append(dict(zip(map(str, order), map(float, probabilities), strict=True)))
        targets.append(str(random.choice(order, p=true / true.sum())))
    return rankings, targets


@pytest.mark.parametrize("error", [0.1, 0.3, -0.04])
def test_a_planted_error_is_found(error: float) -> None:
    found = calibration(*planted(6000, error, seed=1))
    low, high = found.ece.interval
    assert low < abs(error) < high
    assert high - low < 0.06
    assert not found.is_calibrated
    assert found.confidence - found.accuracy == pytest.approx(error, abs=0.02)


@pytest.mark.parametrize("n", [200, 2000])
def test_a_calibrated_model_is_not_blamed(n: int) -> None:
    several = [calibration(*planted(n, 0.0, seed), n_draws=200) for seed in range(20)]
    # At a level of 95 %, one of twenty may be.
    assert sum(not found.is_calibrated for found in several) <= 3
    assert all(found.ece.value > 0 for found in several)


def test_intervals_cover_the_planted_error() -> None:
    several = [calibration(*planted(1500, 0.15, seed), n_draws=200) for seed in range(20)]
    covered = sum(f.ece.interval[0] <= 0.15 <= f.ece.interval[1] for f in several)
    assert covered >= 17


def test_by_hand() -> None:
    rankings = [{"a": 0.8, "b": 0.2}, {"a": 0.8, "b": 0.2}, {"a": 0.1, "b": 0.9}]
    found = calibration(rankings, ["a", "b", "b"], n_bins=10)
    # (0.7, 0.8]: two answers, one right; (0.8, 0.9]: one, right.
    assert [(b.n, b.accuracy.value) for b in found.bins] == [(2, 0.5), (1, 1.0)]
    assert [(b.low, b.high) for b in found.bins] == [(0.7, 0.8), (0.8, 0.9)]
    assert found.ece.value == pytest.approx((2 * 0.3 + 0.1) / 3)
    assert found.brier.value == pytest.approx((0.08 + 1.28 + 0.02) / 3)
    assert found.n == 3
    assert found.accuracy == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("ranking", "target", "brier", "ece"),
    [
        ({"a": 1.0, "b": 0.0}, "a", 0.0, 0.0),
        ({"a": 1.0, "b": 0.0}, "b", 2.0, 1.0),
        ({"a": 0.5, "b": 0.5}, "a", 0.5, 0.5),
    ],
)
def test_ends(ranking: Mapping[str, float], target: str, brier: float, ece: float) -> None:
    found = calibration([ranking] * 4, [target] * 4)
    assert found.brier == Estimate(brier, (brier, brier))
    assert found.ece.value == pytest.approx(ece)


@given(st.lists(st.tuples(st.floats(0.01, 1), st.floats(0.01, 1), st.booleans()), min_size=1))
def test_figures_stay_in_their_range(rows: list[tuple[float, float, bool]]) -> None:
    rankings = [{"a": a / (a + b), "b": b / (a + b)} for a, b, _ in rows]
    found = calibration(rankings, ["a" if first else "b" for *_, first in rows], n_draws=20)
    assert 0 <= found.ece.interval[0] <= found.ece.interval[1] <= 2
    assert 0 <= found.ece.value <= 1
    assert 0 <= found.brier.interval[0] <= found.brier.value <= found.brier.interval[1] <= 2
    assert sum(each.n for each in found.bins) == len(rows)
    assert all(each.low <= each.confidence <= each.high + 1e-9 for each in found.bins)


@pytest.mark.parametrize(
    ("rankings", "targets", "message"),
    [
        ([], [], "0 rankings of 0 questions"),
        ([{"a": 1.0}], [], "1 rankings of 0 questions"),
        ([{"a": 1.0}], ["b"], "ranking 0 lacks the true label 'b'"),
        ([{"a": 0.5, "b": 0.4}], ["a"], "of ranking 0 are in sum not 1"),
    ],
)
def test_what_is_no_ranking_is_refused(
    rankings: list[Mapping[str, float]], targets: list[str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        calibration(rankings, targets)
