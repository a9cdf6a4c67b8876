"""Training images that a test set also holds.

Exact means equal pixels; near means perceptual hashes a few bits apart. Every training image is
compared with every test image: 330K against 11K are 3.6 billion pairs, which numpy's popcount over
the first 64 of 256 bits settles in blocks; only pairs within reach are counted to the end.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_prep.images.fingerprints import Examined, read_examined
from data_prep.parallel import ordered_map

MAX_BITS = 20
"""Of 256 bits, how many may differ between versions of one picture.

Of 300 drawn faces of 100 pixels, versions at 48, 64 and 224 pixels, in gray, or at JPEG quality 30
differ in 20 bits at most, other faces in 50 and more.
"""

_BLOCK = 128
"""Training images that are compared at once; bounds the memory."""


@dataclass(frozen=True, slots=True)
class Leak:
    """A training image and a test image that show the same.

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


@dataclass(frozen=True, slots=True)
class _Tests:
    """What is looked for."""

    names: Sequence[tuple[str, str]]
    of_pixels: dict[bytes, list[int]]
    words: NDArray[np.uint64]


def find_leaks(
    training: Iterable[Path],
    tests: Iterable[Path],
    *,
    max_bits: int = MAX_BITS,
    jobs: int | None = None,
) -> Iterator[Leak]:
    """Yield every leak, in the order of the training images.

    Args:
        training: Files of examined training images.
        tests: Files of examined test images.
        max_bits: How many of 256 bits may differ.
        jobs: Processes that compare; None for one a core.
    """
    wanted = _tests(tests)
    if wanted.names:
        found = ordered_map(
            partial(_leaks_of, tests=wanted, max_bits=max_bits), training, jobs, chunk=1
        )
        for leaks in found:
            yield from leaks


def _tests(paths: Iterable[Path]) -> _Tests:
    rows = [row for path in paths for row in read_examined(path) if row.left_out is None]
    of_pixels: dict[bytes, list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        of_pixels[row.pixels].append(number)
    return _Tests([(row.dataset, row.id) for row in rows], dict(of_pixels), _words(rows))


def _words(rows: Sequence[Examined]) -> NDArray[np.uint64]:
    """The perceptual hashes as four 64-bit words each, one row a word."""
    joined = np.frombuffer(b"".join(row.perceptual for row in rows), dtype=np.uint64)
    return np.ascontiguousarray(joined.reshape(-1, 4).T)


def _leaks_of(path: Path, tests: _Tests, max_bits: int) -> list[Leak]:
    rows = [row for row in read_examined(path) if row.left_out is None]
    if not rows:
        return []
    leaks = []
    bits = _near(_words(rows), tests.words, max_bits)
    for number, row in enumerate(rows):
        near = bits.get(number, {})
        exact = tests.of_pixels.get(row.pixels, [])
        for test in sorted({*near, *exact}):
            distance = None if test in exact else near[test]
            leaks.append(Leak(row.dataset, row.id, *tests.names[test], distance))
    return leaks


def _near(
    rows: NDArray[np.uint64], tests: NDArray[np.uint64], max_bits: int
) -> dict[int, dict[int, int]]:
    """Row -> test -> bits that differ, for the pairs within `max_bits`."""
    found: dict[int, dict[int, int]] = defaultdict(dict)
    for start in range(0, rows.shape[1], _BLOCK):
        block = rows[:, start : start + _BLOCK]
        # Bits that differ in one word are no more than those that differ in all.
        first = np.bitwise_count(block[0][:, None] ^ tests[0])
        row, test = np.nonzero(first <= max_bits)
        bits = np.bitwise_count(block[:, row] ^ tests[:, test]).sum(axis=0, dtype=np.uint16)
        for one in np.flatnonzero(bits <= max_bits):
            found[start + int(row[one])][int(test[one])] = int(bits[one])
    return found
