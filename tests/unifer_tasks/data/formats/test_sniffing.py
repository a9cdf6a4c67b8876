"""Which format a file has, whatever its name."""

from __future__ import annotations

import bz2
import json
import lzma
import math
import pickle
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unifer_tasks.data.formats.tables import (
    EXPECTED,
    GOOD,
    HEADER,
    TABLE,
    assert_refused,
    delimited,
    objects,
    workbook,
)
from unifer_tasks.data.predictions import Prediction, PredictionError, read_predictions

FORMATS: dict[str, Callable[[], bytes]] = {
    "CSV": lambda: delimited(TABLE, ",").encode(),
    "CSV of Excel": lambda: delimited(TABLE, ";").encode("utf-8-sig"),
    "TSV": lambda: delimited(TABLE, "\t").encode(),
    "TSV, all quoted": lambda: delimited(TABLE, "\t", quote_all=True).encode(),
    "CSV that names Excel its delimiter": lambda: ("sep=;\r\n" + delimited(TABLE, ";")).encode(
        "utf-8-sig"
    ),
    "CSV after blank lines": lambda: ("\n\r\n" + delimited(TABLE, ",")).encode(),
    "blank rows": lambda: (delimited(TABLE, ",") + "\n,,,,,,\n\n").encode(),
    "cells too many, all empty": lambda: delimited(
        [TABLE[0], *([*row, "", ""] for row in TABLE[1:])], ","
    ).encode(),
    "XLSX": lambda: workbook(TABLE),
    "XLSX, blank rows": lambda: workbook([[], [], *TABLE, [], []]),
    "XLSX, another sheet before": lambda: workbook([["Model"], ["m"]], TABLE, []),
    "JSON lines, NaN for an empty cell": lambda: "\n".join(
        json.dumps({key: math.nan if value is None else value for key, value in row.items()})
        for row in objects(TABLE)
    ).encode(),
    "JSON list": lambda: json.dumps(objects(TABLE), indent=2).encode(),
    "JSON lines": lambda: "\n".join(map(json.dumps, objects(TABLE))).encode(),
    "JSON lines, byte order mark, blank lines": lambda: (
        "\n\r\n" + "\r\n\r\n".join(map(json.dumps, objects(TABLE)))
    ).encode("utf-8-sig"),
}


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("suffix", ["", ".jsonl"])
def test_a_table_is_read_in_every_format_whatever_its_name(
    tmp_path: Path, format_: str, suffix: str
) -> None:
    path = tmp_path / f"predictions{suffix}"
    path.write_bytes(FORMATS[format_]())
    assert read_predictions(path) == EXPECTED


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x1f\x8b\x08", "is compressed; `gzip -dc FILE | ferbench score -` reads it"),
        (bz2.compress(b"{}"), "is compressed; `bzip2 -dc FILE | ferbench score -` reads it"),
        (lzma.compress(b"{}"), "is compressed; `xz -dc FILE | ferbench score -` reads it"),
        (b"\x28\xb5\x2f\xfd", "is compressed; `zstd -dc FILE | ferbench score -` reads it"),
        (b"ARROW1\0\0", "is an Arrow file; save the table as CSV or JSONL"),
        (pickle.dumps([]), "is a pickle; save the table as CSV or JSONL"),
        (GOOD.encode("utf-16-le"), "is binary, or UTF-16; save it as CSV UTF-8 or JSONL"),
        (bytes(range(256)), "is binary, or UTF-16; save it as CSV UTF-8 or JSONL"),
        (b"PAR1", "is a Parquet file; save the table as CSV or JSONL"),
        (b"\xd0\xcf\x11\xe0\xa1", "is an old or a password-protected workbook; save it as"),
        (GOOD.encode("utf-16"), "is UTF-16; save it as UTF-8"),
        (b"", "holds no predictions"),
        (b"\n \n", "holds no predictions"),
    ],
)
def test_what_is_not_read_is_named_for_what_it_is(
    tmp_path: Path, content: bytes, message: str
) -> None:
    assert_refused(tmp_path, content, message)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200) | st.text(max_size=200).map(
    lambda text: (HEADER + text).encode("utf-8", "surrogatepass")
))  # fmt: skip
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "predictions"
    path.write_bytes(content)
    with suppress(PredictionError):
        assert all(isinstance(each, Prediction) for each in read_predictions(path))
