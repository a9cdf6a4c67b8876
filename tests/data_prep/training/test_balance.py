from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.training.balance import Balance, copies, expected_copies, uniform

COUNTS = {"affectnet": {"happiness": 900, "contempt": 100}, "sfew": {"happy": 10, "sad": 40}}

sizes = st.dictionaries(
    st.sampled_from(["anger", "fear", "neutral"]), st.integers(1, 10_000), min_size=1
)
counts_of_datasets = st.dictionaries(st.sampled_from(["rafdb", "ferplus"]), sizes, min_size=1)


def rows(classes: Balance, datasets: Balance, total: int | None = None) -> dict[str, float]:
    expected = expected_copies(COUNTS, classes, datasets, total)
    return {
        label: expected[dataset, label] * n
        for dataset, labels in COUNTS.items()
        for label, n in labels.items()
    }


@pytest.mark.parametrize(
    ("classes", "datasets", "expected"),
    [
        ("none", "none", {"happiness": 900, "contempt": 100, "happy": 10, "sad": 40}),
        ("uniform", "none", {"happiness": 500, "contempt": 500, "happy": 25, "sad": 25}),
        ("sqrt", "none", {"happiness": 750, "contempt": 250, "happy": 50 / 3, "sad": 100 / 3}),
        ("none", "uniform", {"happiness": 472.5, "contempt": 52.5, "happy": 105, "sad": 420}),
        ("uniform", "uniform", dict.fromkeys(("happiness", "contempt", "happy", "sad"), 262.5)),
    ],
)
def test_shares(classes: str, datasets: str, expected: dict[str, float]) -> None:
    assert rows(Balance(classes), Balance(datasets)) == pytest.approx(expected)


@given(
    counts=counts_of_datasets,
    classes=st.sampled_from(Balance),
    datasets=st.sampled_from(Balance),
    total=st.integers(1, 100_000),
)
def test_rows_add_up(
    counts: dict[str, dict[str, int]], classes: Balance, datasets: Balance, total: int
) -> None:
    expected = expected_copies(counts, classes, datasets, total)
    rows = sum(
        expected[key, label] * n for key, sizes in counts.items() for label, n in sizes.items()
    )
    assert rows == pytest.approx(total)


def test_labels_without_samples_are_no_share() -> None:
    expected = expected_copies({"sfew": {"fear": 0, "sad": 4}}, Balance.UNIFORM, Balance.NONE)
    assert expected == {("sfew", "sad"): 1.0}


@given(expected=st.floats(0, 20), key=st.text(), seed=st.integers(0, 2**32))
def test_copies_are_the_whole_part_or_one_more(expected: float, key: str, seed: int) -> None:
    assert copies(expected, key, seed) - int(expected) in (0, 1)
    assert copies(int(expected), key, seed) == int(expected)


def test_draws_have_the_expected_frequency_and_depend_on_the_seed() -> None:
    draws = [copies(1.3, f"id {n}", seed=1) for n in range(20_000)]
    assert Counter(draws).keys() == {1, 2}
    assert sum(draws) / len(draws) == pytest.approx(1.3, abs=0.015)
    assert draws != [copies(1.3, f"id {n}", seed=2) for n in range(20_000)]
    assert all(0 <= uniform(str(n), 0) < 1 for n in range(100))
