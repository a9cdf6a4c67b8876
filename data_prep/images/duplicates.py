"""Exact and near duplicates within a split, and whether their labels agree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from data_prep.images.nearness import Images, Numbers


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Images of one split that show the same picture.

    Attributes:
        dataset: Their dataset.
        split: Their split.
        ids: Their ids: all images with equal pixels, or two nearly equal ones.
        labels: Their labels, in the order of `ids`; different labels are a conflict.
        bits: How many of 256 bits of the perceptual hashes differ; None for equal pixels.
    """

    dataset: str
    split: str
    ids: tuple[str, ...]
    labels: tuple[str, ...]
    bits: int | None = None

    @property
    def is_conflict(self) -> bool:
        """Whether they have different labels."""
        return len(set(self.labels)) > 1


def find_duplicates(images: Images) -> Iterator[Duplicate]:
    """Yield the groups of equal images of each split, then the pairs of nearly equal ones.

    In the pairs, the first of several equal images represents them all.
    """
    groups = [group for split in np.unique(images.splits) for group in _groups(images, split)]
    row_of = images.rows({image for members, _ in groups for image in members})
    for members, bits in groups:
        rows = [row_of[image] for image in members]
        yield Duplicate(
            rows[0].dataset,
            rows[0].split,
            tuple(row.id for row in rows),
            tuple(str(row.label) for row in rows),
            bits,
        )


Group = tuple[tuple[int, ...], int | None]
"""Images that show the same picture, and `bits` as in `Duplicate`."""


def _groups(images: Images, split: int) -> list[Group]:
    members = np.flatnonzero(images.splits == split)
    exact, firsts = _equal(images.pixels, members)
    groups: list[Group] = [(tuple(same.tolist()), None) for same in exact]
    alike, firsts = _equal(images.hashes, firsts)
    pairs: list[Group] = [((int(same[0]), int(other)), 0) for same in alike for other in same[1:]]
    with_hash = np.full(images.hashes.max() + 1, -1)
    with_hash[images.hashes[firsts]] = firsts
    near = np.concatenate([with_hash[images.near[:, :2]], images.near[:, 2:]], axis=1)
    pairs += [
        ((min(one, other), max(one, other)), bits)
        for one, other, bits in near[near.min(axis=1) >= 0].tolist()
    ]
    return groups + sorted(pairs)


def _equal(values: Numbers, images: Numbers) -> tuple[list[Numbers], Numbers]:
    """Return the images of each repeated value, and the first image of every value."""
    _, first, inverse, counts = np.unique(
        values[images], return_index=True, return_inverse=True, return_counts=True
    )
    by_value = np.split(images[np.argsort(inverse, kind="stable")], np.cumsum(counts)[:-1])
    repeated = [same for same in by_value if same.size > 1]
    return sorted(repeated, key=lambda same: int(same[0])), images[np.sort(first)]
