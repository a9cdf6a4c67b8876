"""Prediction files in the formats that people have."""

from __future__ import annotations

import bz2
import csv
import io
import json
import lzma
import math
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal
from zipfile import ZipFile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from unifer_tasks.data import prediction_files
from unifer_tasks.data.predictions import Prediction, PredictionError, read_predictions
from unifer_tasks.support import extras
from unifer_tasks.support.extras import MissingModuleError

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


@pytest.mark.parametrize("how", ["file", "pipe", "process substitution"])
def test_standard_input_is_read(tmp_path: Path, how: str) -> None:
    path = tmp_path / "predictions"
    path.write_bytes(workbook(TABLE))
    code = (
        "import sys; from pathlib import Path\n"
        "from unifer_tasks.data.predictions import read_predictions\n"
        "print(len(read_predictions(Path(sys.argv[1]))))"
    )
    shell = {
        "file": '"$@" - < "$FILE"',
        "pipe": 'cat "$FILE" | "$@" -',
        "process substitution": '"$@" <(cat "$FILE")',
    }[how]
    done = subprocess.run(
        ["bash", "-c", shell, "bash", sys.executable, "-c", code],
        env={**os.environ, "FILE": str(path)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "4\n"


OF_VLMEVALKIT: Cells = [
    ["index", "id", "dataset", "category", "question", "answer", "prediction"],
    [0, "a.png", "rafdb", "RAF-DB", "What?", "fear", "<answer>fear</answer>"],
    [1, 7, "sfew", "SFEW 2.0", "What?", "sad", "=1+1"],
    [2, "c", "sfew", "SFEW 2.0", "What?", "sad", "Failed to obtain answer via API. "],
    [3, "d", "sfew", "SFEW 2.0", "What?", "sad", ""],
]


@pytest.mark.parametrize(
    "content",
    [
        workbook(OF_VLMEVALKIT),
        delimited(OF_VLMEVALKIT, "\t", quote_all=True).encode(),
        json.dumps([dict(zip(OF_VLMEVALKIT[0], row, strict=True)) for row in OF_VLMEVALKIT[1:]])
        .encode(),
    ],
    ids=["xlsx", "tsv", "json"],
)  # fmt: skip
def test_what_vlmevalkit_wrote_is_read_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m_FERBench_openended"
    path.write_bytes(content)
    assert read_predictions(path) == [
        Prediction("rafdb", "a.png", "fear", response="<answer>fear</answer>"),
        Prediction("sfew", "7", "sad", response="=1+1"),
        Prediction("sfew", "c", "sad", error=True),
        Prediction("sfew", "d", "sad", response=""),
    ]


CHOICE: Cells = [
    ["index", "id", "dataset", "question", "A", "B", "answer", "prediction"],
    [0, "a", "rafdb", "What?", "fear", "sad", "A", "B"],
]
HEADER = "dataset,id,target,label\n"
GOOD = HEADER + "sfew,1,fear,fear\n"


def zipped(name: str, content: str) -> bytes:
    file = io.BytesIO()
    with ZipFile(file, "w") as archive:
        archive.writestr(name, content)
    return file.getvalue()


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
        (GOOD.replace("\n", "\r").encode(), "has lines that end in a carriage return alone; save"),
        (workbook(TABLE, [], TABLE), "has predictions on the sheets 'Sheet', 'Sheet2'; save each"),
        (workbook([["a"]], [["b"]]), "(and error, if you like); its first row is: a"),
        (b"PAR1", "is a Parquet file; save the table as CSV or JSONL"),
        (b"\xd0\xcf\x11\xe0\xa1", "is an old or a password-protected workbook; save it as"),
        (GOOD.encode("utf-16"), "is UTF-16; save it as UTF-8"),
        (GOOD.replace("1", "\xe9").encode("latin-1"), "is not UTF-8 (after row 1); save it as"),
        (b"PK\x03\x04", "is a damaged workbook, or another kind of zip file"),
        (zipped("a.txt", GOOD), "is a damaged workbook, or another kind of zip file; save the tab"),
        (zipped("_journal/start.json", "{}"), "is a log of inspect_ai; write its samples as rows"),
        (b'{"eval": {}, "samples": []}', "is a log of inspect_ai; write its samples as rows"),
        (b'{\n"eval": {}, "samples": []}', "is a log of inspect_ai; write its samples as rows"),
        (b'{\n"results": {}\n}', "holds scores and no answers; give `ferbench report` the folder"),
        (workbook(TABLE)[:2000], "is a damaged workbook, or another kind of zip file"),
        (workbook([]), "is neither JSON lines nor a table with the columns dataset, id, target"),
        (b"", "holds no predictions"),
        (b"\n \n", "holds no predictions"),
        (b"[]", "holds no predictions"),
        (HEADER.encode(), "holds no predictions"),
        (b"[{}", "is not a JSON list of objects (Expecting"),
        (b"[" * 100_000, "is not a JSON list of objects ("),
        (b'{\n "dataset": "sfew"\n}\n', "is JSON over several lines; write one object a line"),
        (b"image,emotion\n1,2\n", "and error, if you like); its first row is: image, emotion"),
        (b"dataset,id,target\nsfew,1,fear\n", "one of response and label"),
        ((HEADER[:-1] + ",Label\nsfew,1,fear,,\n").encode(), "has the column `label` twice"),
        ((GOOD + 'sfew,2,fear,"fea').encode(), "breaks off or is misquoted after row 2 ("),
        ((GOOD + 'sfew,2,fear,"fear" x\n').encode(), "breaks off or is misquoted after row 2 ("),
        (delimited(CHOICE, "\t").encode(), "has lettered options, which is not FERBench's"),
        (json.dumps([dict(zip(*CHOICE, strict=True))]).encode(), "has lettered options"),
        (b'{"doc_id": 0, "filtered_resps": ["x"]}', "is a sample log of lmms-eval; `ferbench rep"),
        (b'[{"model_response": "x"}]', "holds results of the paper's scripts; `ferbench report`"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_one_sentence_that_says_what_to_do(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "predictions"
    path.write_bytes(content)
    with pytest.raises(PredictionError) as caught:
        read_predictions(path)
    assert str(caught.value).startswith(f"{path} {message}") or message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (GOOD + "sfew,1,fear\n", "row 3: has 3 cells, the first row has 4"),
        (GOOD + "sfew,2,fear,fear,x\n", "row 3: has 5 cells, the first row has 4"),
        (GOOD + "\nsfew,1,fear,sad\n", "row 4: repeats sfew '1' of row 2; keep one of the two"),
        ("\nsep=,\n" + GOOD + "sfew,2,fear\n", "row 5: has 3 cells, the first row has 4; give"),
        ('{"dataset": "sfew", "id": "C:\\d"}', "line 1: is not JSON (Invalid"),
        (GOOD + "sfew,,fear,sad\n", "row 3: lacks `id`"),
        (GOOD + ",2,fear,sad\n", "row 3: lacks `dataset`"),
        (GOOD + "sfew,2,,sad\n", "row 3: lacks `target`"),
        (
            "dataset,id,target,label,response\nsfew,2,fear,sad,sad\n",
            "row 2: has both `response` and `label`",
        ),
        ('[{"dataset": "sfew"}, 3]', "item 2: is not a JSON object"),
        ('[{"id": "1", "id": "2"}]', "item 1: has the key 'id' twice"),
        ('{"id": "1", "id": "1", "x": {"a": 1, "a": 2}}', "line 1: has the key 'id' twice"),
        ('{"dataset": "sfew", "id": {"a": 1, "a": 2}}', "line 1: lacks `target`"),
    ],
)
def test_a_bad_row_is_named_by_its_place(tmp_path: Path, content: str, problem: str) -> None:
    path = tmp_path / "predictions"
    path.write_text(content)
    with pytest.raises(PredictionError) as caught:
        read_predictions(path)
    assert problem in str(caught.value)
    assert all("; " in line for line in str(caught.value).splitlines()), "it says what to do"


def test_a_pipe_that_nobody_writes_to_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(PredictionError, match=r"not a (regular )?file; give a file, or pipe"):
            read_predictions(path)


def test_a_workbook_that_unpacks_to_too_much_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_files, "_MAX_WORKBOOK", 1000)
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


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200) | st.text(max_size=200).map(
    lambda text: (HEADER + text).encode("utf-8", "surrogatepass")
))  # fmt: skip
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "predictions"
    path.write_bytes(content)
    with suppress(PredictionError):
        assert all(isinstance(each, Prediction) for each in read_predictions(path))
