"""The published question files: which questions FERBench asks, without the images.

They are the `eval_*/data/*_qa.json` of zfkarl/UniFER: a list of objects with `image_path`,
`true_label`, `prompt` and `candidate_labels`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from data_prep.errors import IndexFileError, brief
from unifer_tasks.protocol.labels import label_space

INDEX_FILES: Mapping[str, str] = MappingProxyType(
    {
        "rafdb": "rafdb_qa.json",
        "ferplus": "ferplus_qa.json",
        "affectnet": "affectnet_qa.json",
        "sfew": "sfew_2.0_qa.json",
    }
)


@dataclass(frozen=True, slots=True)
class Question:
    """One published question.

    Attributes:
        id: The file's `image_path`, unique in its dataset.
        target: The true label, in the dataset's own word.
        prompt: The text that is asked.
        candidate_labels: The labels that the text lists.
    """

    id: str
    target: str
    prompt: str
    candidate_labels: tuple[str, ...]


def read_index(folder: Path) -> dict[str, list[Question]]:
    """Read the four question files, in the files' order.

    Raises:
        IndexFileError: A file is absent or malformed, lacks a key, repeats an id or has a
            label that the dataset does not; the message names the file and the row.
    """
    return {dataset: _read(dataset, folder / name) for dataset, name in INDEX_FILES.items()}


def _read(dataset: str, path: Path) -> list[Question]:
    if path.exists() and not path.is_file():
        raise IndexFileError(f"{path} is not a file")
    try:
        rows = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise IndexFileError(
            f"{path} is missing; it is one of {list(INDEX_FILES.values())}"
        ) from None
    except (ValueError, RecursionError) as error:
        raise IndexFileError(f"{path} is not JSON: {brief(error)}; download it again") from None
    if not isinstance(rows, list) or not rows:
        raise IndexFileError(f"{path} holds no list of questions")
    labels = label_space(dataset).labels
    questions: dict[str, Question] = {}
    for number, row in enumerate(rows, start=1):
        question = _question(row, f"{path}, question {number}")
        if question.target not in labels:
            raise IndexFileError(
                f"{path}, question {number}: label {brief(question.target)} is none of "
                f"{list(labels)}"
            )
        if question.id in questions:
            raise IndexFileError(f"{path}, question {number}: {brief(question.id)} is listed twice")
        questions[question.id] = question
    return list(questions.values())


def _question(row: Any, where: str) -> Question:
    if not isinstance(row, dict):
        raise IndexFileError(f"{where} is {brief(row)}, not an object")
    texts = []
    for key in ("image_path", "true_label", "prompt"):
        if not isinstance(row.get(key), str):
            raise IndexFileError(f"{where} has no text for {key}: {brief(row.get(key))}")
        texts.append(row[key])
    labels = row.get("candidate_labels")
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise IndexFileError(f"{where} has no list of texts for candidate_labels: {brief(labels)}")
    image_path, target, prompt = texts
    return Question(image_path, target, prompt, tuple(labels))
