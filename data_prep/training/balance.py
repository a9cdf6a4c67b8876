"""How often each sample of an imbalanced dataset is repeated.

The copies of a sample depend on its own hash and on counts, never on its position: rows can be
streamed, and adding a dataset does not change the draws of the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from itertools import repeat
from typing import TypeVar

import xxhash

from data_prep.outputs.training_folder import Image

Sample = TypeVar("Sample")


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
    """Return (dataset, label) -> how many copies of a sample to expect.

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


def repeated(
    samples: Iterable[tuple[Image, Sample]],
    expected: Mapping[tuple[str, str], float],
    seed: int,
    rows_of_image: Counter[Image],
) -> Iterator[Sample]:
    """Yield each sample as often as it is drawn.

    Args:
        samples: The samples, each with what identifies it.
        expected: Copies of a sample to expect, by dataset and label; 1 of those that are absent.
        seed: Seed of the draws.
        rows_of_image: Receives the rows of each sample, 0 included.
    """
    for image, sample in samples:
        wanted = expected.get((image.dataset, image.label), 1.0)
        n = copies(wanted, f"copies {image.dataset} {image.id}", seed)
        rows_of_image[image] += n
        yield from repeat(sample, n)


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
