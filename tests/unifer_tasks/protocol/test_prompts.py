from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from data_prep.sources.index import INDEX_FILES, read_index
from data_prep.support.errors import IndexFileError
from unifer_tasks.protocol.answers.strict import read_answer
from unifer_tasks.protocol.answers.upstream import read_upstream
from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.protocol.prompts import (
    STEM,
    answer_first_question,
    described_question,
    direct_question,
    listed_labels,
    question,
    response,
)


def test_the_question_lists_the_candidates_in_order() -> None:
    assert question(["sad", "happy"]) == (
        "As an expert in facial expression recognition, which expression is most prominent in "
        "this image? Please select your answer from the following candidate labels: sad, happy. "
        "Provide your detailed reasoning between the <think></think> tags, and then give your "
        "final answer between the <answer></answer> tags."
    )


@pytest.mark.parametrize("dataset", LABEL_SPACES)
@pytest.mark.parametrize(
    "ask", [question, direct_question, answer_first_question, described_question]
)
def test_the_candidates_are_read_off_a_prompt(
    dataset: str, ask: Callable[[Sequence[str]], str]
) -> None:
    labels = LABEL_SPACES[dataset].labels
    assert listed_labels(f"system\nYou help.\nuser\n{ask(labels)}\nassistant\n") == labels


@pytest.mark.parametrize("text", ["", "Which expression?", STEM, "candidate labels: sad, happy"])
def test_a_text_without_a_question_has_no_candidates(text: str) -> None:
    with pytest.raises(ValueError, match="no question that lists its candidates"):
        listed_labels(text)


def test_a_question_without_candidates_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one candidate"):
        question([])


def test_every_published_question_is_ours_byte_for_byte(index_folder: Path) -> None:
    index = read_index(index_folder)
    assert sum(map(len, index.values())) == 11_072
    for dataset, rows in index.items():
        space = LABEL_SPACES[dataset]
        assert Counter(row.target for row in rows) == space.test_counts
        for row in rows:
            assert row.candidate_labels == space.labels
            assert row.prompt.encode() == question(space.labels).encode()


def test_every_published_target_is_right_under_both_readers(index_folder: Path) -> None:
    for dataset, rows in read_index(index_folder).items():
        for row in rows:
            text = response("Because.", row.target)
            assert read_answer(text, dataset).label == row.target
            assert read_upstream(text, dataset) == row.target


def write_index(folder: Path, **rafdb: object) -> None:
    row = {"image_path": "a", "true_label": "fear", "prompt": "?", "candidate_labels": ["fear"]}
    for dataset, name in INDEX_FILES.items():
        rows = [{**row, **rafdb}] if dataset == "rafdb" else [row]
        (folder / name).write_text(json.dumps(rows))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"true_label": "contempt"}, r"rafdb_qa\.json, question 1: label 'contempt' is none of"),
        (
            {"candidate_labels": None},
            r"rafdb_qa\.json, question 1 `candidate_labels` must be a list, got null",
        ),
    ],
)
def test_a_bad_question_file_is_named_with_its_row(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    write_index(tmp_path, **change)
    with pytest.raises(IndexFileError, match=message):
        read_index(tmp_path)


def test_missing_repeated_and_broken_question_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(IndexFileError, match=r"rafdb_qa\.json is missing"):
        read_index(tmp_path)
    write_index(tmp_path)
    path = tmp_path / INDEX_FILES["sfew"]
    path.write_text(json.dumps(json.loads(path.read_text()) * 2))
    with pytest.raises(
        IndexFileError, match=r"sfew_2\.0_qa\.json, question 2: 'a' is listed twice"
    ):
        read_index(tmp_path)
    path.write_text("[{")
    with pytest.raises(IndexFileError, match="is not JSON"):
        read_index(tmp_path)
    path.write_text("{}")
    with pytest.raises(IndexFileError, match="no list"):
        read_index(tmp_path)
