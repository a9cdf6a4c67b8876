from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.images import duplicates
from data_prep.images.duplicates import Duplicate, find_duplicates
from data_prep.images.fingerprints import Examined
from tests.data_prep.images.test_leaks import flipped, row, write


@pytest.mark.parametrize("n_files", [1, 2])
def test_duplicates_and_conflicts_within_a_split(tmp_path: Path, n_files: int) -> None:
    rng = np.random.default_rng(0)
    one, two, three = (rng.bytes(32) for _ in range(3))
    rows = [
        row("a", 1, one),
        row("b", 2, two),
        row("c", 1, one, "fear"),
        row("d", 2, two),
        row("e", 1, one, split="test"),
        row("f", 3, three),
        Examined("sfew", "train", "g", "", "sad", "is empty"),
        Examined("sfew", "train", "h", "", "sad", "is empty"),
    ]
    size = len(rows) // n_files
    paths = [write(tmp_path / str(n), rows[n * size : (n + 1) * size]) for n in range(n_files)]
    found = list(find_duplicates(paths, jobs=1))
    assert found == [
        Duplicate("sfew", "train", ("a", "c"), ("sad", "fear")),
        Duplicate("sfew", "train", ("b", "d"), ("sad", "sad")),
    ]
    assert [duplicate.is_conflict for duplicate in found] == [True, False]


@pytest.mark.parametrize("jobs", [1, 2])
def test_near_duplicates_of_a_split_are_pairs_with_their_bits(tmp_path: Path, jobs: int) -> None:
    rng = np.random.default_rng(1)
    face, other = rng.bytes(32), rng.bytes(32)
    rows = [
        row("a", 1, face),
        row("same pixels", 1, face),
        row("same hash", 2, face, "fear"),
        row("near", 3, flipped(face, range(0, 40, 2)), "fear"),
        row("too far", 4, flipped(face, range(1, 43, 2))),
        row("in another split", 5, face, split="valid"),
        row("other", 6, other),
    ]
    found = list(find_duplicates([write(tmp_path / "rows", rows)], max_bits=20, jobs=jobs))
    assert found == [
        Duplicate("sfew", "train", ("a", "same pixels"), ("sad", "sad")),
        Duplicate("sfew", "train", ("a", "same hash"), ("sad", "fear"), 0),
        Duplicate("sfew", "train", ("a", "near"), ("sad", "fear"), 20),
    ]


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32), max_bits=st.sampled_from([0, 1, 7, 20, 31, 32, 100]))
def test_no_pair_within_reach_is_lost(seed: int, max_bits: int) -> None:
    """Families of versions: some share no more than the one band that they must."""
    rng = np.random.default_rng(seed)
    bits = np.repeat(rng.integers(0, 2, (10, 256)), 6, axis=0)
    for version in bits:
        version[rng.choice(256, int(rng.integers(0, max_bits + 2)), replace=False)] ^= 1
    hashes = np.unique(np.packbits(bits, axis=1), axis=0)
    differ = np.unpackbits(hashes[:, None] ^ hashes[None], axis=2).sum(axis=2)
    expected = {(i, j, differ[i, j]) for i, j in np.argwhere(differ <= max_bits) if i < j}
    values = hashes.view("V32").ravel()
    assert set(duplicates._near_pairs(values, max_bits, 1)) == expected


def test_nothing_to_compare_is_no_duplicate(tmp_path: Path) -> None:
    assert list(find_duplicates([])) == []
    path = write(tmp_path / "one", [row("a", 1, bytes(32))])
    assert list(find_duplicates([path], jobs=1)) == []
