from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data_prep.images.duplicates import Duplicate, find_duplicates
from data_prep.images.fingerprints import Examined
from data_prep.images.nearness import compare
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
    found = list(find_duplicates(compare(paths, jobs=1)))
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
    images = compare([write(tmp_path / "rows", rows)], max_bits=20, jobs=jobs)
    assert list(find_duplicates(images)) == [
        Duplicate("sfew", "train", ("a", "same pixels"), ("sad", "sad")),
        Duplicate("sfew", "train", ("a", "same hash"), ("sad", "fear"), 0),
        Duplicate("sfew", "train", ("a", "near"), ("sad", "fear"), 20),
    ]


def test_nothing_to_compare_is_no_duplicate(tmp_path: Path) -> None:
    assert list(find_duplicates(compare([], jobs=1))) == []
    path = write(tmp_path / "one", [row("a", 1, bytes(32))])
    assert list(find_duplicates(compare([path], jobs=1))) == []
