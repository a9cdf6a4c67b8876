"""Images that a split holds twice, exactly or nearly, and whether their labels agree.

330K images make 54 billion pairs. Two hashes that differ in k bits agree wholly in one of any k + 1
bands that the bits are cut into (the pigeonhole principle), so only images that share a band
are compared: a few pairs in a hundred.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data_prep.images.fingerprints import Examined, read_examined, read_findings
from data_prep.images.inspection import PERCEPTUAL_BYTES
from data_prep.images.leaks import MAX_BITS
from data_prep.parallel import ordered_map

_BITS = 8 * PERCEPTUAL_BYTES

_MAX_BANDS = 32
"""More bands than this are of fewer than 8 bits."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Images of one split that show the same.

    Attributes:
        dataset: Their dataset.
        split: Their split.
        ids: Their ids: of all that have equal pixels, or of two that nearly have.
        labels: Their labels, as `ids`; more than one kind is a conflict.
        bits: How many of 256 bits of the perceptual hashes differ; None for equal pixels.
    """

    dataset: str
    split: str
    ids: tuple[str, ...]
    labels: tuple[str, ...]
    bits: int | None = None

    @property
    def is_conflict(self) -> bool:
        """Tells whether they have different labels."""
        return len(set(self.labels)) > 1


def find_duplicates(
    paths: Sequence[Path], *, max_bits: int = MAX_BITS, jobs: int | None = None
) -> Iterator[Duplicate]:
    """Yield the groups of equal images of each split, then the pairs of nearly equal ones.

    Only hashes are held, 48 bytes an image; rows are read again for those that are found. Of equal
    images the first stands for all in the pairs.

    Args:
        paths: Files of examined images.
        max_bits: How many of 256 bits may differ.
        jobs: Processes that compare; None for one a core.
    """
    groups: list[_Group] = []
    for hashes in _read_hashes(paths):
        groups += _groups(hashes, max_bits, jobs)
    row_of = _rows({number for group in groups for number in group.numbers}, paths)
    for group in groups:
        rows = [row_of[number] for number in group.numbers]
        yield Duplicate(
            rows[0].dataset,
            rows[0].split,
            tuple(row.id for row in rows),
            tuple(str(row.label) for row in rows),
            group.bits,
        )


@dataclass(frozen=True, slots=True)
class _Hashes:
    """The usable images of one split.

    Attributes:
        numbers: Of the images among all rows of all files.
        pixels: 16 bytes each.
        perceptual: `PERCEPTUAL_BYTES` bytes each.
    """

    numbers: NDArray[np.int64]
    pixels: NDArray[np.void]
    perceptual: NDArray[np.void]


@dataclass(frozen=True, slots=True)
class _Group:
    """Numbers of images that show the same; `bits` as in `Duplicate`."""

    numbers: tuple[int, ...]
    bits: int | None


def _read_hashes(paths: Iterable[Path]) -> list[_Hashes]:
    of_split: dict[tuple[str, str], tuple[list[int], list[bytes], list[bytes]]]
    of_split = defaultdict(lambda: ([], [], []))
    number = 0
    for path in paths:
        table = read_findings(path, ["dataset", "split", "pixels", "perceptual"])
        for dataset, split, pixels, perceptual in zip(
            *(column.to_pylist() for column in table.columns), strict=True
        ):
            if pixels:
                numbers, exact, near = of_split[dataset, split]
                numbers.append(number)
                exact.append(pixels)
                near.append(perceptual)
            number += 1
    return [
        _Hashes(
            np.array(numbers, dtype=np.int64),
            np.frombuffer(b"".join(exact), dtype="V16"),
            np.frombuffer(b"".join(near), dtype=f"V{PERCEPTUAL_BYTES}"),
        )
        for numbers, exact, near in of_split.values()
    ]


def _rows(numbers: set[int], paths: Iterable[Path]) -> Mapping[int, Examined]:
    rows: dict[int, Examined] = {}
    start = 0
    for path in paths:
        size = pq.read_metadata(path).num_rows
        if not numbers.isdisjoint(range(start, start + size)):
            read = enumerate(read_examined(path), start)
            rows.update((number, row) for number, row in read if number in numbers)
        start += size
    return rows


def _groups(hashes: _Hashes, max_bits: int, jobs: int | None) -> list[_Group]:
    numbers = hashes.numbers
    exact, firsts = _equal(hashes.pixels)
    groups = [_Group(tuple(numbers[members].tolist()), None) for members in exact]
    alike, distinct = _equal(hashes.perceptual[firsts])
    pairs = [(firsts[same[0]], firsts[other], 0) for same in alike for other in same[1:]]
    kept = firsts[distinct]
    pairs += [
        (kept[one], kept[other], bits)
        for one, other, bits in _near_pairs(hashes.perceptual[kept], max_bits, jobs)
    ]
    return groups + sorted(
        (_Group((int(numbers[one]), int(numbers[other])), bits) for one, other, bits in pairs),
        key=lambda group: group.numbers,
    )


def _equal(values: NDArray[np.void]) -> tuple[list[NDArray[np.intp]], NDArray[np.intp]]:
    """The places of each value that stands more than once, and the first place of every value."""
    _, first, inverse, counts = np.unique(
        values, return_index=True, return_inverse=True, return_counts=True
    )
    by_value = np.split(np.argsort(inverse, kind="stable"), np.cumsum(counts)[:-1])
    repeated = [places for places in by_value if places.size > 1]
    return sorted(repeated, key=lambda places: int(places[0])), np.sort(first)


def _near_pairs(
    perceptual: NDArray[np.void], max_bits: int, jobs: int | None
) -> Iterator[tuple[int, int, int]]:
    """Yield two places and the bits that differ, for each pair of hashes within reach."""
    hashes = perceptual.view(np.uint8).reshape(-1, PERCEPTUAL_BYTES)
    search = partial(_pairs_of_band, hashes=hashes, max_bits=max_bits)
    found = list(ordered_map(search, _bands(max_bits), jobs, chunk=1))
    if len(hashes) > 1:
        yield from (tuple(pair) for pair in np.unique(np.concatenate(found), axis=0).tolist())


def _bands(max_bits: int) -> list[tuple[int, int]]:
    """Cut the bits so that hashes within reach agree on one band: first bit, and after the last.

    Bands of few bits tell little apart; one of none is shared by all.
    """
    if max_bits >= _MAX_BANDS:
        return [(0, 0)]
    edges = np.linspace(0, _BITS, max_bits + 2).astype(int).tolist()
    return list(pairwise(edges))


def _pairs_of_band(
    band: tuple[int, int], hashes: NDArray[np.uint8], max_bits: int
) -> NDArray[np.int64]:
    """Rows of two places, the first one lower, and the bits that differ."""
    keys = _values(hashes, *band)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    words = np.ascontiguousarray(hashes[order].view(np.uint64).T)
    found = [np.empty((0, 3), dtype=np.int64)]
    # Equal bands stand side by side now: each is compared with the next, the one after, and so on.
    one = np.arange(order.size)
    for step in range(1, order.size):
        one = one[: np.searchsorted(one, order.size - step)]
        one = one[keys[one] == keys[one + step]]
        if not one.size:
            break
        # Bits that differ in one word are no more than those that differ in all.
        near = one[np.bitwise_count(words[0][one] ^ words[0][one + step]) <= max_bits]
        bits = np.bitwise_count(words[:, near] ^ words[:, near + step]).sum(axis=0, dtype=np.int64)
        near, bits = near[bits <= max_bits], bits[bits <= max_bits]
        found.append(np.stack([order[near], order[near + step], bits], axis=1))
    return np.concatenate(found)


def _values(hashes: NDArray[np.uint8], first: int, end: int) -> NDArray[np.int64]:
    """The bits from `first` up to `end` of each hash, as a number."""
    from_byte = first // 8
    bits = np.unpackbits(hashes[:, from_byte : (end + 7) // 8], axis=1)
    bits = bits[:, first - 8 * from_byte : end - 8 * from_byte]
    weights: NDArray[np.int64] = 1 << np.arange(end - first, dtype=np.int64)
    values: NDArray[np.int64] = bits @ weights
    return values
