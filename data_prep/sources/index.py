"""The published question files: the questions of FERBench, without the images.

They are the `eval_*/data/*_qa.json` of zfkarl/UniFER: a list of objects with `image_path`,
`true_label`, `prompt` and `candidate_labels`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from data_prep.support.errors import IndexFileError, brief
from unifer_tasks.protocol.labels import label_space
from unifer_tasks.support.records import RecordError, read_json, record

INDEX_FILES: Mapping[str, str] = {
    "rafdb": "rafdb_qa.json",
    "ferplus": "ferplus_qa.json",
    "affectnet": "affectnet_qa.json",
    "sfew": "sfew_2.0_qa.json",
}


@dataclass(frozen=True, slots=True)
class Question:
    """One published question.

    Attributes:
        id: The `image_path` of the file, unique in its dataset.
        target: The true label, in the dataset's own words.
        prompt: The text that is asked.
        candidate_labels: The labels that the text lists.
    """

    id: str = field(metadata={"key": "image_path"})
    target: str = field(metadata={"key": "true_label"})
    prompt: str
    candidate_labels: tuple[str, ...]


def read_index(folder: Path) -> dict[str, list[Question]]:
    """Read the four question files, in the files' order.

    They lie in one folder, or where a copy of the authors' repository has them.

    Raises:
        IndexFileError: A file is missing or malformed, lacks a key, repeats an id or has a
            label unknown to the dataset; the message names the file and the row.
    """
    return {
        dataset: _read(dataset, next(folder.glob(f"eval_*/data/{name}"), folder / name))
        for dataset, name in INDEX_FILES.items()
    }


def _read(dataset: str, path: Path) -> list[Question]:
    try:
        rows = read_json(path)
    except FileNotFoundError:
        raise IndexFileError(
            f"{path} is missing; it is one of {', '.join(INDEX_FILES.values())}"
        ) from None
    except RecordError as error:
        raise IndexFileError(f"{path} {brief(error)}; download it again") from None
    if not isinstance(rows, list) or not rows:
        raise IndexFileError(f"{path} holds no list of questions; download it again")
    labels = label_space(dataset).labels
    questions: dict[str, Question] = {}
    for number, row in enumerate(rows, start=1):
        where = f"{path}, question {number}"
        try:
            question = record(Question, row)
            question = replace(question, id=question.id.strip())
        except RecordError as error:
            raise IndexFileError(f"{where} {brief(error)}; download it again") from None
        if question.target not in labels:
            raise IndexFileError(
                f"{where}: label {brief(question.target)} is none of {', '.join(labels)}"
            )
        if question.id in questions:
            raise IndexFileError(
                f"{where}: {brief(question.id)} is listed twice; download it again"
            )
        questions[question.id] = question
    return list(questions.values())
