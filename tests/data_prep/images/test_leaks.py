from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.images import leaks
from data_prep.images.fingerprints import _SCHEMA, Examined
from data_prep.images.leaks import Leak, find_leaks


def row(
    name: str, pixels: int, perceptual: bytes, label: str = "sad", split: str = "train"
) -> Examined:
    return Examined(
        "sfew", split, name, "", label, None, pixels=pixels.to_bytes(16), perceptual=perceptual
    )


def write(path: Path, rows: Sequence[Examined]) -> Path:
    pq.write_table(pa.Table.from_pylist([asdict(row) for row in rows], schema=_SCHEMA), path)
    return path


def flipped(value: bytes, bits: Sequence[int]) -> bytes:
    unpacked = np.unpackbits(np.frombuffer(value, dtype=np.uint8))
    unpacked[list(bits)] ^= 1
    return np.packbits(unpacked).tobytes()


def test_exact_and_near_images_are_found_with_both_ids(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    test = [row(f"q{n}", n, rng.bytes(32), split="test") for n in range(50)]
    far = range(0, 17 * 5, 5)
    training = [
        row("clean", 1000, rng.bytes(32)),
        row("exact", 7, rng.bytes(32)),
        row("at the limit", 1001, flipped(test[8].perceptual, list(far)[:16])),
        row("beyond it", 1002, flipped(test[9].perceptual, list(far))),
        Examined("sfew", "train", "unusable", "", "sad", "is empty"),
    ]
    found = find_leaks(
        [write(tmp_path / "train", training)], [write(tmp_path / "test", test)], max_bits=16, jobs=1
    )
    assert list(found) == [
        Leak("sfew", "exact", "sfew", "q7", None),
        Leak("sfew", "at the limit", "sfew", "q8", 16),
    ]


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32), max_bits=st.integers(0, 140))
def test_blocks_and_the_first_word_lose_no_pair(seed: int, max_bits: int) -> None:
    rng = np.random.default_rng(seed)
    training = rng.integers(0, 2**64, (4, 300), dtype=np.uint64)
    tests = rng.integers(0, 2**64, (4, 20), dtype=np.uint64)
    bits = np.bitwise_count(training[:, :, None] ^ tests[:, None, :]).sum(axis=0, dtype=int)
    expected = {(r, t): bits[r, t] for r, t in np.argwhere(bits <= max_bits)}
    found = leaks._near(training, tests, max_bits)
    assert {(r, t): n for r, tests in found.items() for t, n in tests.items()} == expected


def test_nothing_to_compare_is_no_leak(tmp_path: Path) -> None:
    path = write(tmp_path / "train", [row("a", 1, bytes(32))])
    assert list(find_leaks([path], [], jobs=1)) == []
