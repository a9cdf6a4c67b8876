from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.images.fingerprints import _SCHEMA, Examined
from data_prep.images.leaks import Leak, find_leaks
from data_prep.images.nearness import compare


def row(
    name: str, pixels: int, perceptual: bytes, label: str = "sad", split: str = "train"
) -> Examined:
    return Examined(
        "sfew", split, name, "", label, None, pixels=pixels.to_bytes(16), perceptual=perceptual
    )


def write(path: Path, rows: Sequence[Examined]) -> Path:
    pq.write_table(pa.Table.from_pylist([asdict(row) for row in rows], schema=_SCHEMA), path)
    return path


def flipped(value: bytes, bits: Iterable[int]) -> bytes:
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
    images = compare(
        [write(tmp_path / "train", training)], [write(tmp_path / "test", test)], max_bits=16, jobs=1
    )
    assert list(find_leaks(images)) == [
        Leak("sfew", "exact", "sfew", "q7", None),
        Leak("sfew", "at the limit", "sfew", "q8", 16),
    ]


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32), max_bits=st.integers(0, 40))
def test_every_pair_within_reach_is_a_leak_and_no_other(seed: int, max_bits: int) -> None:
    """Several images share a hash, the pixels, or both; some cannot be used."""
    rng = np.random.default_rng(seed)
    hashes = [rng.bytes(32) for _ in range(3)]

    def images(n: int, split: str) -> list[Examined]:
        return [
            Examined(
                "sfew",
                split,
                f"{split} {number}",
                "",
                "sad",
                "is of 16 bits" if rng.random() < 0.2 else None,
                pixels=bytes([int(rng.integers(6))]) * 16,
                perceptual=flipped(
                    hashes[rng.integers(3)], rng.choice(256, int(rng.integers(0, max_bits + 2)))
                ),
            )
            for number in range(n)
        ]

    def bits(one: Examined, other: Examined) -> int:
        differ = int.from_bytes(one.perceptual) ^ int.from_bytes(other.perceptual)
        return differ.bit_count()

    training, tests = images(12, "train"), images(8, "test")
    expected = [
        (one.id, other.id, None if one.pixels == other.pixels else bits(one, other))
        for one in training
        for other in tests
        if one.left_out is None is other.left_out
        and (one.pixels == other.pixels or bits(one, other) <= max_bits)
    ]
    with tempfile.TemporaryDirectory() as folder:
        paths = [
            [write(Path(folder) / "train", training)],
            [write(Path(folder) / "a", tests[:3]), write(Path(folder) / "b", tests[3:])],
        ]
        found = list(find_leaks(compare(*paths, max_bits=max_bits, jobs=1)))
    assert [(leak.id, leak.test_id, leak.bits) for leak in found] == expected


def test_nothing_to_compare_is_no_leak(tmp_path: Path) -> None:
    path = write(tmp_path / "train", [row("a", 1, bytes(32))])
    assert list(find_leaks(compare([path], jobs=1))) == []
