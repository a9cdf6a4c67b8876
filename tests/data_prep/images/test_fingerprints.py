"""Findings that were kept by an earlier run, and are read again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from data_prep.images.fingerprints import read_examined
from data_prep.images.nearness import compare
from data_prep.support.errors import PreparationError
from tests.data_prep.images.test_leaks import row, write


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def damage_a_page(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:4] + b"\xff" * 60 + data[64:])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def drop_a_column(path: Path) -> None:
    pq.write_table(pq.read_table(path).drop_columns(["label"]), path)


@pytest.mark.parametrize("damage", [cut, damage_a_page, empty, drop_a_column])
@pytest.mark.parametrize("read", [read_examined, lambda path: compare([path], jobs=1)])
def test_damaged_findings_are_named(
    damage: Callable[[Path], None], read: Callable[[Path], object], tmp_path: Path
) -> None:
    path = write(tmp_path / "rows", [row("a", 1, bytes(32)), row("b", 1, bytes(32))])
    read(path)
    damage(path)
    with pytest.raises(PreparationError, match="remove it and run the same command again") as said:
        read(path)
    assert str(path) in str(said.value)
