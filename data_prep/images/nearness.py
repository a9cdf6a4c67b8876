"""Find images that show the same picture: equal pixels, or perceptual hashes a few bits apart.

341K images make 58 billion pairs. If the bits of two hashes that differ in k bits are cut into
k + 1 bands, at least one band is equal (the pigeonhole principle), so only images that share a band
are compared: a few percent of the pairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data_prep.images.fingerprints import NO_FINDINGS, Examined, read_examined, read_findings
from data_prep.images.inspection import PERCEPTUAL_BYTES, PIXELS_BYTES
from data_prep.support.parallel import ordered_map

MAX_BITS = 20
"""How many of 256 bits may differ between versions of one picture.

Of 300 synthetic faces of 100 pixels, versions at 48, 64 and 224 pixels, in gray, or at JPEG quality
30 differ in 20 bits at most, other faces in 50 and more.
"""

_BITS = 8 * PERCEPTUAL_BYTES

_MAX_BANDS = 32
"""With more bands than this, each would have fewer than 8 bits."""

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Images:
    """The decoded training and test images, in order, at about 100 bytes each.

    Attributes:
        paths: The files of findings on them.
        places: The row of each among those of all files.
        is_test: Whether each is a test image.
        is_usable: Whether each can be trained on or evaluated.
        splits: The number of each one's dataset and split, in order of appearance.
        pixels: The number of each one's pixels, equal for equal pixels.
        hashes: The number of each one's perceptual hash.
        near: Rows of two hash numbers, the lower first, and the bits in which they differ.
    """

    paths: Sequence[Path]
    places: Numbers
    is_test: NDArray[np.bool_]
    is_usable: NDArray[np.bool_]
    splits: Numbers
    pixels: Numbers
    hashes: Numbers
    near: Numbers

    def rows(self, images: Iterable[int]) -> Mapping[int, Examined]:
        """Read the findings on some images, given by their numbers, from their files."""
        image_at = {int(self.places[image]): image for image in images}
        rows: dict[int, Examined] = {}
        start = 0
        for path in self.paths:
            end = start + pq.read_metadata(path).num_rows
            if not image_at.keys().isdisjoint(range(start, end)):
                read = enumerate(read_examined(path), start)
                rows.update((image_at[place], row) for place, row in read if place in image_at)
            start = end
        return rows


def compare(
    training: Sequence[Path],
    tests: Sequence[Path] = (),
    *,
    max_bits: int = MAX_BITS,
    jobs: int | None = None,
) -> Images:
    """Compare all images that files of findings describe with one another."""
    columns = ("dataset", "split", "left_out", "pixels", "perceptual")
    tables = [read_findings(path, columns) for path in (*training, *tests)]
    n_training = sum(table.num_rows for table in tables[: len(training)])
    found = pa.concat_tables([NO_FINDINGS.select(columns), *tables])
    places = np.flatnonzero(pc.binary_length(found["pixels"]))
    decoded = found.take(places)
    split = pc.binary_join_element_wise(decoded["dataset"], decoded["split"], " ")
    perceptual, hashes = _numbered(decoded["perceptual"], PERCEPTUAL_BYTES)
    return Images(
        (*training, *tests),
        places,
        places >= n_training,
        decoded["left_out"].is_null().to_numpy(),
        split.combine_chunks().dictionary_encode().indices.to_numpy(),
        _numbered(decoded["pixels"], PIXELS_BYTES)[1],
        hashes,
        near_pairs(perceptual, max_bits, jobs),
    )


def _numbered(column: pa.ChunkedArray, size: int) -> tuple[NDArray[np.uint8], Numbers]:
    """Return the distinct values of a column, one row of bytes each, and each entry's number."""
    whole = np.frombuffer(b"".join(column.to_pylist()), f"V{size}")
    values, numbers = np.unique(whole, return_inverse=True)
    return values.view(np.uint8).reshape(-1, size), numbers


def near_pairs(hashes: NDArray[np.uint8], max_bits: int, jobs: int | None = None) -> Numbers:
    """Return rows of two hashes' positions, the lower first, and the number of bits that differ.

    The hashes are distinct, a row of bytes each.
    """
    search = partial(_pairs_of_band, hashes=hashes, max_bits=max_bits)
    found = list(ordered_map(search, _bands(max_bits), jobs, chunk=1))
    pairs: Numbers = np.unique(np.concatenate(found), axis=0)
    return pairs


def _bands(max_bits: int) -> list[tuple[int, int]]:
    """Cut the bits into bands, of which near hashes share one; return first bit and end of each.

    Narrow bands distinguish little, so for many bits there is one empty band that all hashes share.
    """
    if max_bits >= _MAX_BANDS:
        return [(0, 0)]
    edges = np.linspace(0, _BITS, max_bits + 2).astype(int).tolist()
    return list(pairwise(edges))


def _pairs_of_band(band: tuple[int, int], hashes: NDArray[np.uint8], max_bits: int) -> Numbers:
    keys = _values(hashes, *band)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    words = np.ascontiguousarray(hashes[order].view(np.uint64).T)
    found = [np.empty((0, 3), dtype=np.int64)]
    # Equal bands are now adjacent: compare each hash with the next, the one after, and so on.
    one = np.arange(order.size)
    for step in range(1, order.size):
        one = one[: np.searchsorted(one, order.size - step)]
        one = one[keys[one] == keys[one + step]]
        if not one.size:
            break
        # The bits that differ in the first word are a lower bound.
        near = one[np.bitwise_count(words[0][one] ^ words[0][one + step]) <= max_bits]
        bits = np.bitwise_count(words[:, near] ^ words[:, near + step]).sum(axis=0, dtype=np.int64)
        near, bits = near[bits <= max_bits], bits[bits <= max_bits]
        found.append(np.stack([order[near], order[near + step], bits], axis=1))
    return np.concatenate(found)


def _values(hashes: NDArray[np.uint8], first: int, end: int) -> Numbers:
    """Return the bits from `first` up to `end` of each hash, as a number."""
    from_byte = first // 8
    bits = np.unpackbits(hashes[:, from_byte : (end + 7) // 8], axis=1)
    bits = bits[:, first - 8 * from_byte : end - 8 * from_byte]
    weights: Numbers = 1 << np.arange(end - first, dtype=np.int64)
    values: Numbers = bits @ weights
    return values
