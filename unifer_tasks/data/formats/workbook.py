"""XLSX workbooks, of which one sheet holds the predictions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import BinaryIO
from zipfile import BadZipFile, ZipFile

from unifer_tasks.data.formats.columns import Header
from unifer_tasks.data.formats.dialects import other_archive
from unifer_tasks.data.formats.rows import Row
from unifer_tasks.support.extras import SHEETS, require
from unifer_tasks.support.records import RecordError

_MAX_WORKBOOK = 2**29
"""Bytes that a workbook may unpack to."""

_Numbered = Iterator[tuple[int, Sequence[object]]]


def workbook(file: BinaryIO) -> Iterator[Row]:
    """Yield the rows of the sheet with predictions.

    Raises:
        RecordError: It is another kind of zip file, or damaged, or no sheet or several hold
            predictions.
        MissingModuleError: What reads workbooks is not installed.
    """
    require("an .xlsx file", SHEETS)
    from openpyxl import load_workbook

    try:
        with ZipFile(file) as archive:
            members = archive.infolist()
        if sum(member.file_size for member in members) > _MAX_WORKBOOK:
            raise RecordError("is larger than any workbook of predictions; save it as CSV")
        if instead := other_archive(member.filename for member in members):
            raise RecordError(instead)
        book = load_workbook(file, read_only=True, keep_links=False)
        header, rows = _sheet_of_predictions(
            {sheet.title: _filled(sheet.iter_rows(values_only=True)) for sheet in book.worksheets}
        )
        for number, row in rows:
            yield header.row(number, row)
    except RecordError:
        raise
    except (BadZipFile, OSError, ValueError, LookupError, TypeError, AttributeError, SyntaxError):
        raise RecordError(
            "is a damaged workbook, or another kind of zip file; save the table as CSV UTF-8"
        ) from None


def _filled(rows: Iterable[Sequence[object]]) -> _Numbered:
    """Number the rows of a sheet from 1, and leave the blank ones out."""
    numbered = enumerate(rows, start=1)
    return ((number, row) for number, row in numbered if any(cell is not None for cell in row))


def _sheet_of_predictions(sheets: Mapping[str, _Numbered]) -> tuple[Header, _Numbered]:
    """Return the header and the other rows of the sheet that has predictions.

    Raises:
        RecordError: None of the sheets has, or several have.
    """
    found: dict[str, Header] = {}
    refused: list[RecordError] = []
    for name, rows in sheets.items():
        try:
            found[name] = Header.of(next(rows, (1, ()))[1])
        except RecordError as error:
            refused.append(error)
    if not found:
        raise refused[0]
    if len(found) > 1:
        raise RecordError(
            f"has predictions on the sheets {', '.join(map(repr, found))}; save each as a file"
        )
    [(name, header)] = found.items()
    return header, sheets[name]
