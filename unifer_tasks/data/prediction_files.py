"""Prediction files as people have them, read as rows of named values.

The first bytes identify the format: JSONL, a JSON list, CSV or TSV with a header, or an XLSX
workbook. What the values mean is `unifer_tasks.data.predictions`'s business.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import BadZipFile, ZipFile

from unifer_tasks.data.results_file import PredictionError
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

_BEFORE_HEADER = re.compile(r"\s*(sep=.)?\s*")
"""Lines that may precede a header: blank ones, and the one that names Excel a delimiter."""

_HANDED_OVER = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/")

_VLMEVALKIT = {"index", "question", "answer", "prediction"}
_VLMEVALKIT_FAILED = "Failed to obtain answer"

_OF_INSPECT = "_journal/"
"""A folder in each .eval file of inspect_ai, which is a zip file."""

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

_OTHERS = {
    "filtered_resps": "is a sample log of lmms-eval; `ferbench report` scores it, under the name "
    "that lmms-eval gave it (DATE_samples_TASK.jsonl)",
    "model_response": "holds results of the paper's scripts; `ferbench report` scores them",
    "results": "holds scores and no answers; give `ferbench report` the folder with the logs",
    "eval": "is a log of inspect_ai; write its samples as rows of dataset, id, target, response",
}
"""Keys of objects that hold no prediction -> what these are, and what to do."""

_WRITE = "write each row as a JSON object, as `json.dumps` does"


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
        if not number and (instead := other_kind(row.values)):
            raise PredictionError(instead)
        yield row


def other_kind(values: Mapping[str, Any]) -> str | None:
    """Say what an object is that holds no prediction, and what to do; None if it may be one."""
    if "dataset" in values:
        return None
    return next((instead for key, instead in _OTHERS.items() if key in values), None)


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


def _as_number(constant: str) -> float | None:
    # What pandas and numpy have in an empty cell.
    return None if constant == "NaN" else float(constant)


_JSON = json.JSONDecoder(object_pairs_hook=_as_mapping, parse_constant=_as_number)


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
    if b"\0" in head.partition(b"\n")[0]:
        raise PredictionError("is binary, or UTF-16; save it as CSV UTF-8 or JSONL")
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
                _document(file)
                or "is JSON over several lines; write one object a line (`jq -c .`), or a list"
            )
        yield _row("line", number, partial(parse_object, line))


def _document(file: BinaryIO) -> str | None:
    """Say what kind of file a JSON object is that takes the whole file, if it is a known one."""
    file.seek(0)
    with suppress(ValueError, RecursionError):
        return other_kind(_as_object(_JSON.decode(file.read().decode("utf-8-sig"))))
    return None


def _json_list(file: BinaryIO) -> Iterator[Row]:
    try:
        items = _JSON.decode(file.read().decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise PredictionError("is not UTF-8; save it as UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise PredictionError(
            f"is not a JSON list of objects ({error}); write it as `json.dump` does"
        ) from None
    for number, item in enumerate(items, start=1):
        yield _row("item", number, partial(_as_object, item))


def _row(unit: str, number: int, parse: Callable[[], dict[str, Any]]) -> Row:
    try:
        values = parse()
    except ValueError as error:
        return Row(unit, number, {}, f"{error}; {_WRITE}")
    return Row(unit, number, _of_vlmevalkit(values) if _is_vlmevalkits(values) else values)


def _table(file: BinaryIO) -> Iterator[Row]:
    # A limit of the process, which other packages set.
    csv.field_size_limit(_MAX_FIELD)
    number = 0
    try:
        lines = (line.decode("utf-8") for line in file)
        at, first = _header(lines)
        if "\r" in first.rstrip("\r\n"):
            raise PredictionError(
                "has lines that end in a carriage return alone; save it as CSV UTF-8"
            )
        reader = csv.reader(chain([first], lines), delimiter=_delimiter(first), strict=True)
        columns, number = _columns(next(reader)), at
        for number, row in enumerate(reader, start=at + 1):
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
        problem = (
            f"has {counted(len(texts), 'cell')}, the first row has {len(columns):,}; give each "
            "column a cell, in quotes if it holds a delimiter or a line break"
        )
        return Row(unit, number, {}, problem)
    named = dict(zip(columns, texts, strict=True))
    if _is_vlmevalkits(named):
        return Row(unit, number, _of_vlmevalkit(named))
    answers = [name for name in ("response", "label") if name in named]
    # An empty cell is a value only as the answer.
    answer = [name for name in answers if named[name]] or answers[:1]
    values = {name: text for name, text in named.items() if text or name in answer}
    return Row(unit, number, values)


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
            members = archive.infolist()
        if sum(member.file_size for member in members) > _MAX_WORKBOOK:
            raise PredictionError("is larger than any workbook of predictions; save it as CSV")
        if any(member.filename.startswith(_OF_INSPECT) for member in members):
            raise PredictionError(_OTHERS["eval"])
        book = load_workbook(file, read_only=True, keep_links=False)
        columns, rows = _sheet_of_predictions(
            {sheet.title: _filled(sheet.iter_rows(values_only=True)) for sheet in book.worksheets}
        )
        for number, row in rows:
            yield _cells("row", number, columns, row)
    except PredictionError:
        raise
    except (BadZipFile, OSError, ValueError, LookupError, TypeError, AttributeError, SyntaxError):
        raise PredictionError(
            "is a damaged workbook, or another kind of zip file; save the table as CSV UTF-8"
        ) from None


_Numbered = Iterator[tuple[int, Sequence[object]]]


def _filled(rows: Iterable[Sequence[object]]) -> _Numbered:
    """Number the rows of a sheet from 1, and leave the blank ones out."""
    numbered = enumerate(rows, start=1)
    return ((number, row) for number, row in numbered if any(cell is not None for cell in row))


def _sheet_of_predictions(sheets: Mapping[str, _Numbered]) -> tuple[tuple[str, ...], _Numbered]:
    """Return the columns and the other rows of the sheet that has predictions.

    Raises:
        PredictionError: None of the sheets has, or several have.
    """
    found: dict[str, tuple[str, ...]] = {}
    refused: list[PredictionError] = []
    for name, rows in sheets.items():
        try:
            found[name] = _columns(next(rows, (1, ()))[1])
        except PredictionError as error:
            refused.append(error)
    if not found:
        raise refused[0]
    if len(found) > 1:
        raise PredictionError(
            f"has predictions on the sheets {', '.join(map(repr, found))}; save each as a file"
        )
    [(name, columns)] = found.items()
    return columns, sheets[name]
