"""How often each sample of an imbalanced dataset is repeated.

The copies of a sample depend on its own hash and on counts, never on its position: rows can be
streamed, and adding a dataset does not change the draws of the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import xxhash


class Balance(StrEnum):
    """How group sizes become shares: unchanged, by their square roots, or all equal."""

    NONE = "none"
    SQRT = "sqrt"
    UNIFORM = "uniform"


_EXPONENT: Mapping[Balance, float] = {Balance.NONE: 1.0, Balance.SQRT: 0.5, Balance.UNIFORM: 0.0}

Counts = Mapping[str, Mapping[str, int]]
"""Dataset -> label -> samples."""


def expected_copies(
    counts: Counts, classes: Balance, datasets: Balance, total: int | None = None
) -> dict[tuple[str, str], float]:
    """Return how many copies of a sample to expect, by dataset and label.

    Args:
        counts: The samples.
        classes: Shares of the labels within a dataset.
        datasets: Shares of the datasets.
        total: Expected rows in total; None for the number of samples.
    """
    sizes = {dataset: sum(labels.values()) for dataset, labels in counts.items()}
    rows = sum(sizes.values()) if total is None else total
    dataset_rows = shared_out(sizes, datasets, rows)
    return {
        (dataset, label): share / labels[label]
        for dataset, labels in counts.items()
        for label, share in shared_out(labels, classes, dataset_rows[dataset]).items()
    }


def copies(expected: float, key: str, seed: int) -> int:
    """Return a sample's copies: the integer part, and one more with the fraction's probability."""
    whole = int(expected)
    return whole + (uniform(key, seed) < expected - whole)


def uniform(key: str, seed: int) -> float:
    """Return a number in [0, 1) that is a function of a key and a seed."""
    return xxhash.xxh3_64_intdigest(key.encode(), seed=seed) / 2**64


def shared_out(sizes: Mapping[str, int], balance: Balance, rows: float) -> dict[str, float]:
    """Return group -> its part of `rows`, without empty groups."""
    weights = {key: size ** _EXPONENT[balance] for key, size in sizes.items() if size}
    whole = sum(weights.values())
    return {key: rows * weight / whole for key, weight in weights.items()}
