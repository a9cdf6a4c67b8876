"""The paper's published training files: JSON lists that name images and answers.

`UniFER_RLVR_360K.json` has `image_path`, `problem` and `solution`; `UniFER_CoT_230K.json` has
`image_path`, `question` and `response`. Objects are read one at a time, whatever the file's size.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

from data_prep.archives import Sample, Skipped, Split, Tree
from data_prep.errors import PreparationError
from unifer_tasks.answers import Answer, read_answer, read_label
from unifer_tasks.labels import LABEL_SPACES, label_space
from unifer_tasks.prompts import ANSWER_TAG, question

_CHUNK = 2**20

_DATASET_OF_FOLDER: Mapping[str, str] = MappingProxyType(
    {"raf-db": "rafdb", "rafdb": "rafdb", "ferplus": "ferplus", "affectnet": "affectnet"}
    | {"sfew-2.0": "sfew", "sfew_2.0": "sfew", "sfew": "sfew"}
)


@dataclass(frozen=True, slots=True)
class Keys:
    """What a file calls the question and the answer."""

    question: str
    answer: str


RLVR_KEYS = Keys("problem", "solution")
COT_KEYS = Keys("question", "response")


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """One object of a file.

    Attributes:
        dataset: The dataset's key; None if neither path nor question tells.
        image_path: As the file has it.
        prompt: The question as asked.
        answer: The whole of the answer's text.
    """

    dataset: str | None
    image_path: str
    prompt: str
    answer: str

    @property
    def read(self) -> Answer:
        """The label that the answer gives, with tags or without."""
        if self.dataset is None:
            raise ValueError("no dataset, no labels")
        reader = read_answer if f"<{ANSWER_TAG}>" in self.answer else read_label
        return reader(self.answer, self.dataset)


def read_published(path: Path, keys: Keys) -> Iterator[PublishedRow]:
    """Reads a file of the paper's, a JSON list or JSON lines.

    Raises:
        PreparationError: It is no such file; the message names the object.
    """
    for number, row in enumerate(_objects(path), start=1):
        try:
            image_path, prompt, answer = (
                row[key] for key in ("image_path", keys.question, keys.answer)
            )
        except (KeyError, TypeError):
            raise PreparationError(
                f"{path}, object {number} lacks one of image_path, {keys.question}, {keys.answer}"
            ) from None
        if not all(isinstance(value, str) for value in (image_path, prompt, answer)):
            raise PreparationError(f"{path}, object {number} holds something else than text")
        # Training text of other tools marks the image's place; rows have a mark of their own.
        prompt = prompt.replace("<image>", "").strip()
        yield PublishedRow(_dataset(image_path, prompt), image_path, prompt, answer)


def published_samples(path: Path, keys: Keys, tree: Tree) -> Iterator[Sample | Skipped]:
    """Yields a file's rows as samples.

    Args:
        path: The file.
        keys: What it calls question and answer.
        tree: The root that its image paths start from.

    Raises:
        PreparationError: The file is none of these.
    """
    for row in read_published(path, keys):
        name = row.image_path.lstrip("/")
        if row.dataset is None:
            yield Skipped("unknown", row.image_path, "neither path nor question tells the dataset")
            continue
        label = row.read.label
        if label is None:
            yield Skipped(row.dataset, row.image_path, "its answer is no candidate label")
        elif (member := tree.resolve(name)) is None:
            yield Skipped(row.dataset, row.image_path, "its image is missing")
        else:
            own = question(label_space(row.dataset).labels)
            prompt = None if row.prompt == own else row.prompt
            yield Sample(
                row.dataset,
                row.image_path,
                label,
                Split.TRAIN,
                member,
                prompt=prompt,
                response=row.answer,
            )


def _dataset(image_path: str, prompt: str) -> str | None:
    for part in PurePosixPath(image_path).parts:
        if (dataset := _DATASET_OF_FOLDER.get(part.lower())) is not None:
            return dataset
    listed = [key for key, space in LABEL_SPACES.items() if ", ".join(space.labels) in prompt]
    return listed[0] if len(listed) == 1 else None


def _objects(path: Path) -> Iterator[Any]:
    """Yields the objects of a JSON list, or of JSON lines, without reading all of them at once."""
    decoder = json.JSONDecoder()
    text = ""
    with path.open(encoding="utf-8-sig") as file:
        ended = False
        while not ended:
            chunk = file.read(_CHUNK)
            ended = not chunk
            text = (text + chunk).lstrip(" \t\r\n,[")
            while text and text[0] != "]":
                try:
                    value, end = decoder.raw_decode(text)
                except ValueError as error:
                    # The object may go on in what was not read yet.
                    if ended:
                        raise PreparationError(f"{path} is not JSON: {error}") from None
                    break
                yield value
                text = text[end:].lstrip(" \t\r\n,")
