"""The lists that a build leaves, read again."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_prep.images.duplicates import Duplicate
from data_prep.outputs.quarantine import Fault, read_list, write_list
from data_prep.support.errors import PreparationError

FAULT = Fault("sfew", "a", "a.png", "is empty")
DUPLICATE = (
    b'{"dataset": "sfew", "split": "train", "ids": ["a", "b"], "labels": ["sad", "fear"], '
    b'"bits": null, "conflict": true}\n'
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_list(tmp_path / "list", [FAULT, FAULT])
    assert list(read_list(Fault, tmp_path / "list")) == [FAULT, FAULT]
    (tmp_path / "list").write_bytes(DUPLICATE)
    (duplicate,) = read_list(Duplicate, tmp_path / "list")
    assert duplicate == Duplicate("sfew", "train", ("a", "b"), ("sad", "fear"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b'["a", "b"]', b"null", "`ids` must be a list, got null"),
        (b'["a", "b"]', b'"ab"', "`ids` must be a list"),
        (b'"sad"', b"3", "`labels.0` must be a text, got 3"),
        (b'"bits": null', b'"bits": "2"', "`bits` must be"),
        (b'"dataset"', b'"data"', "lacks `dataset`"),
        (b'"sfew"', b'"\\ud800"', "half a surrogate pair"),
        (b'"sfew"', b'"\xff"', "is not UTF-8"),
        (b"{", b"[" * 100_000, "is nested too deeply"),
        (b"true}", b"true", "is not JSON"),
        (DUPLICATE, DUPLICATE.decode().encode("utf-16"), "is not UTF-8"),
        (DUPLICATE, b"null", "must be an object, got null"),
    ],
)
def test_a_damaged_line_is_named(old: bytes, new: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "duplicates.jsonl"
    path.write_bytes(DUPLICATE + DUPLICATE.replace(old, new))
    with pytest.raises(PreparationError, match="build it again") as said:
        list(read_list(Duplicate, path))
    assert str(said.value).startswith(f"{path}, line 2: ")
    assert message in str(said.value)
