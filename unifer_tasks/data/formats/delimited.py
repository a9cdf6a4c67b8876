"""CSV and TSV with a header."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import BinaryIO

from unifer_tasks.data.formats.columns import Header, key_of
from unifer_tasks.data.formats.dialects import VLMEVALKIT
from unifer_tasks.data.formats.rows import COLUMNS, Row
from unifer_tasks.support.records import RecordError

_MAX_FIELD = 2**27

_DELIMITERS = ",\t;"

_BEFORE_HEADER = re.compile(r"\s*(sep=.)?\s*")
"""Lines that may precede a header: blank ones, and the one that names Excel a delimiter."""


def delimited(file: BinaryIO) -> Iterator[Row]:
    """Yield the rows of a table whose cells a comma, a tab or a semicolon parts.

    Raises:
        RecordError: It lacks a column, is not UTF-8, or is quoted wrongly.
    """
    # A limit of the process, which other packages set.
    csv.field_size_limit(_MAX_FIELD)
    number = 0
    try:
        lines = (line.decode("utf-8") for line in file)
        at, first = _header(lines)
        if "\r" in first.rstrip("\r\n"):
            raise RecordError("has lines that end in a carriage return alone; save it as CSV UTF-8")
        reader = csv.reader(chain([first], lines), delimiter=_delimiter(first), strict=True)
        header, number = Header.of(next(reader)), at
        for number, row in enumerate(reader, start=at + 1):
            if any(row):
                yield header.row(number, row)
    except UnicodeDecodeError:
        raise RecordError(
            f"is not UTF-8 (after row {number:,}); save it as UTF-8 (in Excel: CSV UTF-8)"
        ) from None
    except csv.Error as error:
        raise RecordError(
            f"breaks off or is misquoted after row {number:,} ({error}); a cell with a quote, a "
            "delimiter or a line break must be in quotes, and quotes in it must be doubled"
        ) from None


def _header(lines: Iterable[str]) -> tuple[int, str]:
    """Return the number and the text of the line that is a table's header."""
    header = (0, "")
    for number, line in enumerate(lines, start=1):
        header = (number, line.removeprefix("\ufeff"))
        if not _BEFORE_HEADER.fullmatch(header[1]):
            break
    return header


def _delimiter(line: str) -> str:
    """Return what parts a header into the most columns that are known."""
    known = {*COLUMNS, *VLMEVALKIT}

    def n_known(delimiter: str) -> int:
        return len(known & {*map(key_of, next(csv.reader([line], delimiter=delimiter), []))})

    return max(_DELIMITERS, key=n_known)
