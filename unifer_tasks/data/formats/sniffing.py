"""The format of a prediction file, told by its first bytes; its name says nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO

from unifer_tasks.data.formats.delimited import delimited
from unifer_tasks.data.formats.dialects import in_our_names, other_kind
from unifer_tasks.data.formats.json_rows import json_lines, json_list
from unifer_tasks.data.formats.rows import Row
from unifer_tasks.data.formats.workbook import workbook
from unifer_tasks.support.records import RecordError

_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}

_REFUSED = {
    **{
        start: f"is compressed; `{program} -dc FILE | ferbench score -` reads it"
        for start, program in _COMPRESSED.items()
    },
    b"PAR1": "is a Parquet file; save the table as CSV or JSONL",
    b"ARROW1": "is an Arrow file; save the table as CSV or JSONL",
    b"\x80": "is a pickle; save the table as CSV or JSONL",
    b"\xd0\xcf\x11\xe0": "is an old or a password-protected workbook; save it as CSV UTF-8, or as "
    ".xlsx without a password",
    b"\xff\xfe": "is UTF-16; save it as UTF-8",
    b"\xfe\xff": "is UTF-16; save it as UTF-8",
}
"""How files begin that are not read -> what to do."""


def read_rows(file: BinaryIO) -> Iterator[Row]:
    """Yield the rows of a prediction file from its start; blank ones are left out.

    Raises:
        RecordError: It is of another format, damaged, or lacks a column; the message is to
            follow the file's name.
        MissingModuleError: It is a workbook, and what reads these is not installed.
    """
    for number, row in enumerate(_reader(file)(file)):
        if not number and (instead := other_kind(row.values)):
            raise RecordError(instead)
        yield in_our_names(row)


def _reader(file: BinaryIO) -> Callable[[BinaryIO], Iterator[Row]]:
    file.seek(0)
    head = file.read(4096)
    file.seek(0)
    for start, instead in _REFUSED.items():
        if head.startswith(start):
            raise RecordError(instead)
    if head.startswith(b"PK"):
        return workbook
    if b"\0" in head.partition(b"\n")[0]:
        raise RecordError("is binary, or UTF-16; save it as CSV UTF-8 or JSONL")
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"["):
        return json_list
    if not text or text.startswith(b"{"):
        return json_lines
    return delimited
