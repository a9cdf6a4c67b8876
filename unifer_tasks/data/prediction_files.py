"""Prediction files as people have them, read as rows of named values.

The first bytes identify the format: JSONL, a JSON list, CSV or TSV with a header, or an XLSX
workbook. What the values mean is `unifer_tasks.data.predictions`'s business.
"""

from __future__ import annotations

import csv
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import BadZipFile, ZipFile

from unifer_tasks.data.logs import PredictionError
from unifer_tasks.redaction.characters import one_line
from unifer_tasks.support.counted import counted
from unifer_tasks.support.extras import SHEETS, require
from unifer_tasks.support.records import RecordError, require_file

STANDARD_INPUT = Path("-")

COLUMNS = ("dataset", "id", "target", "response", "label", "error")
"""The columns of a prediction file; others are ignored."""

_MAX_FIELD = 2**27
_MAX_WORKBOOK = 2**29
"""Bytes that a workbook may unpack to."""

_DELIMITERS = ",\t;"

_HANDED_OVER = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/")

_VLMEVALKIT = {"index", "question", "answer", "prediction"}
_VLMEVALKIT_FAILED = "Failed to obtain answer"

_REFUSED = {
    b"\x1f\x8b": "is compressed; `gzip -dc FILE | ferbench score -` reads it",
    b"PAR1": "is a Parquet file; save the table as CSV or JSONL",
    b"\xd0\xcf\x11\xe0": "is an old or a password-protected workbook; save it as CSV UTF-8, or as "
    ".xlsx without a password",
    b"\xff\xfe": "is UTF-16; save it as UTF-8",
    b"\xfe\xff": "is UTF-16; save it as UTF-8",
}
"""How files begin that are not read -> what to do."""

_OTHERS = {
    "filtered_resps": "is a sample log of lmms-eval; `ferbench report` scores it, under the name "
    "that lmms-eval gave it (DATE_samples_TASK.jsonl)",
    "model_response": "holds results of the paper's scripts; `ferbench report` scores them",
}
"""Keys of rows that other commands read -> which."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a prediction file.

    Attributes:
        unit: What a row is called there.
        number: Its number, from 1; in a table, the header is the first.
        values: Its values by column.
        problem: Why it cannot be read; None if it can.
    """

    unit: str
    number: int
    values: Mapping[str, Any]
    problem: str | None = None

    @property
    def place(self) -> str:
        """Where in the file the row is, for a message."""
        return f"{self.unit} {self.number:,}"


@contextmanager
def open_predictions(path: Path) -> Iterator[BinaryIO]:
    """Open a prediction file, or standard input for `-`, so that it can be read twice.

    Raises:
        PredictionError: The path is a folder, a named pipe or a device.
        OSError: It cannot be opened.
    """
    if path == STANDARD_INPUT:
        stream = sys.stdin.buffer
    elif str(path).startswith(_HANDED_OVER):
        # By a shell, as in `ferbench score <(command)`.
        stream = path.open("rb")
    else:
        try:
            require_file(path)
        except RecordError as error:
            raise PredictionError(
                f"{title(path)} {error}; give a file, or pipe it into `ferbench score -`"
            ) from None
        stream = path.open("rb")
    with ExitStack() as stack:
        if stream is not sys.stdin.buffer:
            stack.enter_context(stream)
        if not stream.seekable():
            pipe, stream = stream, stack.enter_context(tempfile.TemporaryFile())
            shutil.copyfileobj(pipe, stream)
        yield stream


def title(path: Path) -> str:
    """Return how messages name a prediction file."""
    return "standard input" if path == STANDARD_INPUT else one_line(str(path))


def read_rows(file: BinaryIO) -> Iterator[Row]:
    """Yield the rows of a prediction file from its start; blank ones are left out.

    Raises:
        PredictionError: It is of another format, damaged, or lacks a column; the message is to
            follow the file's name.
        MissingModuleError: It is a workbook, and what reads these is not installed.
    """
    rows = _format(file)(file)
    for number, row in enumerate(rows):
        if not number:
            for key, instead in _OTHERS.items():
                if key in row.values:
                    raise PredictionError(instead)
        yield row


def parse_object(line: bytes) -> dict[str, Any]:
    """Return the object that a line of JSON is.

    Raises:
        ValueError: What is wrong with it.
    """
    try:
        value = _JSON.decode(line.decode("utf-8"))
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not JSON ({error})") from None
    return _as_object(value)


@dataclass(frozen=True, slots=True)
class _RepeatedKey:
    """A JSON object that gives a key twice: which value holds, its writer alone knows."""

    key: str


def _as_mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _RepeatedKey:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        return _RepeatedKey(next(key for key in keys if keys.count(key) > 1))
    return found


_JSON = json.JSONDecoder(object_pairs_hook=_as_mapping)


def _as_object(value: object) -> dict[str, Any]:
    if isinstance(value, _RepeatedKey):
        raise ValueError(f"has the key {value.key!r} twice")
    if not isinstance(value, dict):
        raise ValueError("is not a JSON object")
    return value


def _format(file: BinaryIO) -> Callable[[BinaryIO], Iterator[Row]]:
    file.seek(0)
    head = file.read(4096)
    file.seek(0)
    for start, instead in _REFUSED.items():
        if head.startswith(start):
            raise PredictionError(instead)
    if head.startswith(b"PK"):
        return _workbook
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"["):
        return _json_list
    if not text or text.startswith(b"{"):
        return _json_lines
    return _table


def _json_lines(file: BinaryIO) -> Iterator[Row]:
    for number, line in enumerate(file, start=1):
        line = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        if not line.strip():
            continue
        if number == 1 and line.strip() == b"{":
            raise PredictionError(
                "is JSON over several lines; write one object a line (`jq -c .`), or a list"
            )
        yield _row("line", number, partial(parse_object, line))


def _json_list(file: BinaryIO) -> Iterator[Row]:
    try:
        items = _JSON.decode(file.read().decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise PredictionError("is not UTF-8; save it as UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise PredictionError(f"is not a JSON list of objects ({error})") from None
    for number, item in enumerate(items, start=1):
        yield _row("item", number, partial(_as_object, item))


def _row(unit: str, number: int, parse: Callable[[], dict[str, Any]]) -> Row:
    try:
        values = parse()
    except ValueError as error:
        return Row(unit, number, {}, str(error))
    return Row(unit, number, _of_vlmevalkit(values) if _is_vlmevalkits(values) else values)


def _table(file: BinaryIO) -> Iterator[Row]:
    # A limit of the process, which other packages set.
    csv.field_size_limit(_MAX_FIELD)
    number = 0
    try:
        lines = (line.decode("utf-8") for line in file)
        first = next(lines).removeprefix("\ufeff")
        reader = csv.reader(chain([first], lines), delimiter=_delimiter(first), strict=True)
        columns, number = _columns(next(reader)), 1
        for number, row in enumerate(reader, start=2):
            if any(row):
                yield _cells("row", number, columns, row)
    except UnicodeDecodeError:
        raise PredictionError(
            f"is not UTF-8 (after row {number:,}); save it as UTF-8 (in Excel: CSV UTF-8)"
        ) from None
    except csv.Error as error:
        raise PredictionError(
            f"breaks off or is misquoted after row {number:,} ({error}); a cell with a quote, a "
            "delimiter or a line break must be in quotes, and quotes in it must be doubled"
        ) from None


def _delimiter(line: str) -> str:
    """Return what parts a header into the most columns that are known."""
    known = {*COLUMNS, *_VLMEVALKIT}

    def n_known(delimiter: str) -> int:
        return len(known & {*map(_name, next(csv.reader([line], delimiter=delimiter), []))})

    return max(_DELIMITERS, key=n_known)


def _name(cell: object) -> str:
    return "" if cell is None else str(cell).strip().casefold()


def _columns(header: Sequence[object]) -> tuple[str, ...]:
    """Return the names of a table's columns.

    Raises:
        PredictionError: They are not those of a prediction file.
    """
    names = tuple(map(_name, header))
    known = [name for name in names if name in COLUMNS]
    if repeated := {name for name in known if known.count(name) > 1}:
        raise PredictionError(f"has the column `{repeated.pop()}` twice")
    answers = {"response", "label", "error"} & {*names}
    if {"dataset", "id"} <= {*names} and (
        ("target" in names and answers) or {*names} >= _VLMEVALKIT
    ):
        return names
    shown = ", ".join(name for name in names if name)[:100]
    raise PredictionError(
        "is neither JSON lines nor a table with the columns dataset, id, target and one of "
        f"response and label (and error, if you like); its first row is: {shown}"
    )


def _cells(unit: str, number: int, columns: Sequence[str], cells: Sequence[object]) -> Row:
    texts = list(map(_text, cells))
    while len(texts) > len(columns) and not texts[-1]:
        texts.pop()
    if len(texts) != len(columns):
        cells = counted(len(texts), "cell")
        return Row(unit, number, {}, f"has {cells}, the first row has {len(columns):,}")
    named = dict(zip(columns, texts, strict=True))
    if _is_vlmevalkits(named):
        return Row(unit, number, _of_vlmevalkit(named))
    answers = [name for name in ("response", "label") if name in named]
    # An empty cell is a value only as the answer.
    answer = [name for name in answers if named[name]] or answers[:1]
    return Row(
        unit,
        number,
        {name: text for name, text in named.items() if text or name in answer},
    )


def _text(cell: object) -> str:
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return "" if cell is None else str(cell)


def _is_vlmevalkits(values: Mapping[str, Any]) -> bool:
    return values.keys() >= _VLMEVALKIT and "target" not in values


def _of_vlmevalkit(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Name the values of a row that VLMEvalKit wrote after our export as a prediction's.

    Raises:
        PredictionError: It was asked with lettered options.
    """
    if values.keys() & {"A", "a"}:
        raise PredictionError(
            "has lettered options, which is not FERBench's question; run VLMEvalKit on what "
            "`unifer-data export vlmevalkit --form open` writes"
        )
    answer = values["prediction"]
    named = {**values, "target": values["answer"]}
    if _VLMEVALKIT_FAILED in str(answer):
        return {**named, "error": True}
    return {**named, "response": "" if answer is None else answer}


def _workbook(file: BinaryIO) -> Iterator[Row]:
    require("an .xlsx file", SHEETS)
    from openpyxl import load_workbook

    try:
        with ZipFile(file) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > _MAX_WORKBOOK:
            raise PredictionError("is larger than any workbook of predictions; save it as CSV")
        book = load_workbook(file, read_only=True, keep_links=False)
        rows: Iterable[tuple[object, ...]] = book.worksheets[0].iter_rows(values_only=True)
        numbered = enumerate(rows, start=1)
        columns = _columns(next(numbered, (1, ()))[1])
        for number, row in numbered:
            if any(cell is not None for cell in row):
                yield _cells("row", number, columns, row)
    except PredictionError:
        raise
    except (BadZipFile, OSError, ValueError, LookupError, TypeError, AttributeError, SyntaxError):
        raise PredictionError("is a damaged workbook, or another kind of zip file") from None
