"""Training images that a test set also holds: equal pixels, or nearly equal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from data_prep.images.nearness import Images, Numbers


@dataclass(frozen=True, slots=True)
class Leak:
    """A training image and a test image that show the same picture.

    Attributes:
        dataset: The training sample's dataset.
        id: The training sample's id.
        test_dataset: The benchmark's dataset.
        test_id: The question's id.
        bits: How many bits of the perceptual hashes differ; None for equal pixels.
    """

    dataset: str
    id: str
    test_dataset: str
    test_id: str
    bits: int | None


def find_leaks(images: Images) -> Iterator[Leak]:
    """Yield every leak among usable images, in the order of the training images."""
    tests = np.flatnonzero(images.is_usable & images.is_test)
    training = np.flatnonzero(images.is_usable & ~images.is_test)
    with_pixels, with_hash = _by(images.pixels, tests), _by(images.hashes, tests)
    within_reach: dict[int, list[tuple[int, int]]] = defaultdict(list)
    same = np.unique(images.hashes[tests])
    pairs = np.concatenate([images.near, np.stack([same, same, 0 * same], axis=1)])
    for one, other, bits in pairs[np.isin(pairs[:, :2], same).any(axis=1)].tolist():
        within_reach[one] += [(test, bits) for test in with_hash.get(other, ())]
        within_reach[other] += [(test, bits) for test in with_hash.get(one, ())]
    found: list[tuple[int, int, int | None]] = []
    for image in training[
        np.isin(images.pixels[training], images.pixels[tests])
        | np.isin(images.hashes[training], list(within_reach))
    ].tolist():
        bits_of: dict[int, int | None] = dict(within_reach.get(images.hashes[image], ()))
        bits_of.update(dict.fromkeys(with_pixels.get(images.pixels[image], ())))
        found += [(image, test, bits_of[test]) for test in sorted(bits_of)]
    row_of = images.rows({image for pair in found for image in pair[:2]})
    for image, test, bits in found:
        trained, asked = row_of[image], row_of[test]
        yield Leak(trained.dataset, trained.id, asked.dataset, asked.id, bits)


def _by(values: Numbers, images: Numbers) -> Mapping[int, Sequence[int]]:
    """Return value -> the images that have it."""
    by_value: dict[int, list[int]] = defaultdict(list)
    for image in images.tolist():
        by_value[int(values[image])].append(image)
    return by_value
