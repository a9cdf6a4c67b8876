"""What is wrong with a file of others is said with its place and what belongs there."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unifer_tasks.support.records import (
    RecordError,
    parse_json,
    read_json,
    read_toml,
    record,
)


@dataclass(frozen=True)
class Part:
    size: int
    share: float | None = None

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError("has a negative size")


@dataclass(frozen=True)
class Whole:
    name: str
    parts: Mapping[str, Part] = field(default_factory=dict)
    pixels: tuple[int, ...] = ()
    is_drawn: bool | None = field(default=None, metadata={"key": "is-drawn"})
    given: str | Mapping[str, Any] | None = None


def test_a_record_has_the_types_that_it_declares() -> None:
    found = record(
        Whole,
        {
            "name": "ä",
            "parts": {"a": {"size": 1, "share": 2}},
            "pixels": [1, 2],
            "is-drawn": True,
            "given": {"x": [None]},
            "others": "are ignored",
        },
    )
    assert found == Whole("ä", {"a": Part(1, 2)}, (1, 2), True, {"x": [None]})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "must be an object, got null"),
        ([], "must be an object, got []"),
        ({}, "lacks `name`"),
        ({"name": 3}, "`name` must be a text, got 3"),
        ({"name": "a\ud800"}, "`name` has half a surrogate pair"),
        ({"name": "a", "parts": []}, "`parts` must be an object, got []"),
        ({"name": "a", "parts": {"x": 1}}, "`parts.x` must be an object, got 1"),
        ({"name": "a", "parts": {"x": {"size": "1"}}}, '`parts.x.size` must be an integer'),
        ({"name": "a", "parts": {"x": {"size": 1.5}}}, "size` must be an integer, got 1.5"),
        ({"name": "a", "parts": {"x": {"size": True}}}, "must be an integer, got true"),
        ({"name": "a", "parts": {"x": {"size": -1}}}, "`parts.x` has a negative size"),
        ({"name": "a", "parts": {"x": {"size": 10**30}}}, "a number of more than 64 bits"),
        (
            {"name": "a", "parts": {"x": {"size": 1, "share": float("nan")}}},
            "`parts.x.share` must be a finite number, got nan",
        ),
        ({"name": "a", "pixels": "12"}, '`pixels` must be a list, got "12"'),
        ({"name": "a", "pixels": [1, None]}, "`pixels.1` must be an integer, got null"),
        ({"name": "a", "is-drawn": 1}, "`is-drawn` must be true or false or null, got 1"),
        ({"name": "a", "given": [1]}, "`given` must be a text or an object or null, got [1]"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_reported_with_its_place(value: object, message: str) -> None:
    with pytest.raises(RecordError) as error:
        record(Whole, value)
    assert message in str(error.value)


def test_unknown_keys_can_be_refused() -> None:
    with pytest.raises(RecordError, match="has the unknown key 'nmae'; did you mean name"):
        record(Whole, {"name": "a", "nmae": "b"}, closed=True)
    with pytest.raises(RecordError, match=r"`parts\.x` has the unknown key '7'; it takes"):
        record(Whole, {"name": "a", "parts": {"x": {"size": 1, 7: 2}}}, closed=True)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda parts: (
        st.lists(parts, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "parts", "size", "pixels", "x"]), parts)
    ),
)


@given(ANY_JSON)
def test_anything_is_a_record_or_a_sentence(value: object) -> None:
    with suppress(RecordError):
        record(Whole, value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"{} junk", "is not JSON"),
        (b"1" * 5000, "is not JSON"),
        ("{}".encode("utf-16"), "is not UTF-8 (at byte 0)"),
        ('{"ä": 1}'.encode("latin-1"), "is not UTF-8 (at byte 2)"),
        (b"[" * 100_000, "is nested too deeply"),
    ],
)
def test_what_is_not_json_is_reported(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(RecordError) as error:
        read_json(path)
    assert message in str(error.value)


def test_a_byte_order_mark_is_not_content(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"a": 1}), encoding="utf-8-sig")
    assert read_json(tmp_path / "a.json") == {"a": 1}
    assert parse_json(b"[1]") == [1]
    (tmp_path / "a.toml").write_text("a = [")
    with pytest.raises(RecordError, match="is not TOML"):
        read_toml(tmp_path / "a.toml")


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, what in ((tmp_path / "pipe", "a pipe"), (Path("/dev/zero"), "a pipe or a device"),
                       (tmp_path, "a directory")):  # fmt: skip
        with pytest.raises(RecordError, match=what):
            read_json(path)
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "absent")
