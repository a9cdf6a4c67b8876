"""What other programs write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unifer_tasks.data.formats.tables import (
    Cells,
    assert_named,
    assert_refused,
    delimited,
    workbook,
)
from unifer_tasks.data.predictions import Prediction, read_predictions

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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"eval": {}, "samples": []}', "is a log of inspect_ai; write its samples as rows"),
        (b'{\n"eval": {}, "samples": []}', "is a log of inspect_ai; write its samples as rows"),
        (b'{\n"results": {}\n}', "holds scores and no answers; give `ferbench report` the folder"),
        (delimited(CHOICE, "\t").encode(), "has lettered options, which is not FERBench's"),
        (json.dumps([dict(zip(*CHOICE, strict=True))]).encode(), "has lettered options"),
        (b'{"doc_id": 0, "filtered_resps": ["x"]}', "is a sample log of lmms-eval; `ferbench rep"),
        (b'[{"model_response": "x"}]', "holds results of the paper's scripts; `ferbench report`"),
    ],
)
def test_what_holds_no_predictions_of_ours_says_what_to_do(
    tmp_path: Path, content: bytes, message: str
) -> None:
    assert_refused(tmp_path, content, message)


VLMEVALKIT = {"index": 0, "id": "a", "dataset": "sfew", "question": "What?"}


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"answer": "joy", "prediction": "x"}, "answer 'joy' is not a label of sfew: angry"),
        ({"answer": 3, "prediction": "x"}, "`answer` must be a string, got 3; give the true label"),
        ({"answer": "sad", "prediction": ["x"]}, '`prediction` must be a string, got ["x"]; give'),
        ({"answer": "sad", "prediction": "x", "id": ""}, "has an empty `id`; give the question's"),
    ],
)
def test_a_bad_row_is_named_with_the_columns_as_the_file_spells_them(
    tmp_path: Path, row: dict[str, object], problem: str
) -> None:
    assert_named(tmp_path, json.dumps({**VLMEVALKIT, **row}).encode(), f"line 1: {problem}")
