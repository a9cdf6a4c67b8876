"""A table of predictions, and how it looks in the formats that people have."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest
from openpyxl import Workbook

from unifer_tasks.data.predictions import Prediction, PredictionError, read_predictions

Cells = Sequence[Sequence[object]]

TABLE: Cells = [
    ["ID", "dataset", "Target", "response", "label", "error", "note"],
    ["007", "RAF-DB", "Anger", 'a "smile",\nthen;\t<answer>fear</answer>', "", "", "x"],
    ["2", "SFEW 2.0", "HAPPY", "", "happiness", "", ""],
    ["3", "FER+", "happiness", "", "", "timeout after 60 s", ""],
    ["4", "affectnet", "fear", "", "", "False", ""],
]
EXPECTED = [
    Prediction("rafdb", "007", "anger", response='a "smile",\nthen;\t<answer>fear</answer>'),
    Prediction("sfew", "2", "happy", label="happiness"),
    Prediction("ferplus", "3", "happy", error=True),
    Prediction("affectnet", "4", "fear", response=""),
]


def delimited(table: Cells, delimiter: str, *, quote_all: bool = False) -> str:
    file = io.StringIO()
    quoting: Literal[0, 1] = csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL
    csv.writer(file, delimiter=delimiter, quoting=quoting).writerows(table)
    return file.getvalue()


def workbook(*tables: Cells) -> bytes:
    """Return a workbook with a sheet for each table."""
    book = Workbook()
    book.remove(book.worksheets[0])
    for table in tables:
        sheet = book.create_sheet()
        for row in table:
            sheet.append([None if cell == "" else cell for cell in row])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def objects(table: Cells) -> list[dict[str, object]]:
    """Return a table as pandas writes it: each column in each row, null for an empty cell."""
    names = ["id", "dataset", "target", "response", "label", "error", "note"]
    rows = [dict(zip(names, row, strict=True)) for row in table[1:]]
    return [
        {key: value if value != "" or key == "response" else None for key, value in row.items()}
        | ({"response": None} if row["label"] else {})
        for row in rows
    ]


HEADER = "dataset,id,target,label\n"
GOOD = HEADER + "sfew,1,fear,fear\n"


def assert_refused(folder: Path, content: bytes, message: str) -> None:
    """Check that a file is refused in one sentence that begins with its name."""
    path = folder / "predictions"
    path.write_bytes(content)
    with pytest.raises(PredictionError) as caught:
        read_predictions(path)
    assert str(caught.value).startswith(f"{path} {message}") or message in str(caught.value)
    assert "\n" not in str(caught.value)


def assert_named(folder: Path, content: bytes, problem: str) -> None:
    """Check that a row is refused by its place, with what to do."""
    path = folder / "predictions"
    path.write_bytes(content)
    with pytest.raises(PredictionError) as caught:
        read_predictions(path)
    assert problem in str(caught.value)
    assert all("; " in line for line in str(caught.value).splitlines()), "it says what to do"
