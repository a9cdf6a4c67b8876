"""Workbooks."""

from __future__ import annotations

import io
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.unifer_tasks.data.formats.tables import GOOD, TABLE, assert_refused, workbook
from unifer_tasks.data.formats import workbook as reader
from unifer_tasks.data.predictions import PredictionError, read_predictions
from unifer_tasks.support import extras
from unifer_tasks.support.extras import MissingModuleError


def zipped(name: str, content: str) -> bytes:
    file = io.BytesIO()
    with ZipFile(file, "w") as archive:
        archive.writestr(name, content)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (workbook(TABLE, [], TABLE), "has predictions on the sheets 'Sheet', 'Sheet2'; save each"),
        (workbook([["a"]], [["b"]]), "(and error, if you like); its first row is: a"),
        (b"PK\x03\x04", "is a damaged workbook, or another kind of zip file"),
        (zipped("a.txt", GOOD), "is a damaged workbook, or another kind of zip file; save the tab"),
        (zipped("_journal/start.json", "{}"), "is a log of inspect_ai; write its samples as rows"),
        (workbook(TABLE)[:2000], "is a damaged workbook, or another kind of zip file"),
        (workbook([]), "is neither JSON lines nor a table with the columns dataset, id, target"),
    ],
)
def test_a_zip_file_without_one_sheet_of_predictions_says_what_to_do(
    tmp_path: Path, content: bytes, message: str
) -> None:
    assert_refused(tmp_path, content, message)


def test_a_workbook_that_unpacks_to_too_much_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "_MAX_WORKBOOK", 1000)
    path = tmp_path / "predictions.xlsx"
    path.write_bytes(workbook(TABLE))
    with pytest.raises(PredictionError, match="larger than any workbook of predictions"):
        read_predictions(path)


def test_what_reads_workbooks_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "_is_installed", lambda name: name != "openpyxl")
    path = tmp_path / "predictions.xlsx"
    path.write_bytes(workbook(TABLE))
    with pytest.raises(MissingModuleError, match=r"an \.xlsx file needs openpyxl: in a clone"):
        read_predictions(path)
