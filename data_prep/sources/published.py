"""The paper's published training files: JSON lists that name images and answers.

`UniFER_RLVR_360K.json` has `image_path`, `problem` and `solution`; `UniFER_CoT_230K.json` has
`image_path`, `question` and `response`. Objects are streamed, whatever the file's size.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Any, TextIO

from data_prep.sources.samples import Sample, Skipped, Split
from data_prep.support.errors import PreparationError, brief
from data_prep.support.tree import Tree
from unifer_tasks.protocol.answers.strict import read_answer, read_label
from unifer_tasks.protocol.labels import FERBENCH, label_space
from unifer_tasks.protocol.prompts import ANSWER_TAG, question

_CHUNK = 2**20

_MAX_OBJECT = 2**24
"""Maximum characters of one object."""

_DATASET_OF_FOLDER: Mapping[str, str] = {
    "raf-db": "rafdb",
    "rafdb": "rafdb",
    "ferplus": "ferplus",
    "affectnet": "affectnet",
    "sfew-2.0": "sfew",
    "sfew_2.0": "sfew",
    "sfew": "sfew",
}


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of the question and the answer in a file."""

    question: str
    answer: str


RLVR_KEYS = Keys("problem", "solution")
COT_KEYS = Keys("question", "response")


def published_samples(path: Path, keys: Keys, tree: Tree) -> Iterator[Sample | Skipped]:
    """Yield the rows of one of the paper's files, a JSON list or JSON lines, as samples.

    Their image paths are relative to the tree.

    Raises:
        PreparationError: It is not such a file; the message names the object.
    """
    for number, row in enumerate(_objects(path), start=1):
        try:
            texts = [row[key] for key in ("image_path", keys.question, keys.answer)]
        except (KeyError, TypeError):
            lacking = f"lacks one of image_path, {keys.question}, {keys.answer}"
            raise _broken(path, lacking, number) from None
        if not all(map(_is_text, texts)):
            raise _broken(path, "holds something else than text", number)
        yield _sample(tree, *texts)


def _is_text(value: object) -> bool:
    # JSON can escape half a surrogate pair, which no file can hold.
    return isinstance(value, str) and _SURROGATE.search(value) is None


def _sample(tree: Tree, image_path: str, asked: str, answer: str) -> Sample | Skipped:
    # Other tools mark the image's place in the text; our rows add their own mark.
    asked = asked.replace("<image>", "").strip()
    dataset = _dataset(image_path, asked)
    if dataset is None:
        return Skipped("unknown", image_path, "neither path nor question names the dataset")
    reader = read_answer if f"<{ANSWER_TAG}>" in answer else read_label
    label = reader(answer, dataset).label
    if label is None:
        return Skipped(dataset, image_path, "its answer is not a candidate label")
    member = tree.resolve("", image_path.strip().lstrip("/"))
    if member is None:
        return Skipped(dataset, image_path, "its image is missing")
    prompt = None if asked == question(label_space(dataset).labels) else asked
    return Sample(dataset, image_path, label, Split.TRAIN, member, prompt=prompt, response=answer)


def _dataset(image_path: str, prompt: str) -> str | None:
    for part in PurePosixPath(image_path).parts:
        if (dataset := _DATASET_OF_FOLDER.get(part.lower())) is not None:
            return dataset
    listed = [key for key, space in FERBENCH.items() if ", ".join(space.labels) in prompt]
    return listed[0] if len(listed) == 1 else None


@dataclass(slots=True)
class _Text:
    """A file's text, read in chunks, of which `rest[at:]` is not yet consumed."""

    path: Path
    file: TextIO
    rest: str = ""
    at: int = 0
    has_ended: bool = False

    def more(self) -> None:
        """Read another chunk.

        Raises:
            PreparationError: One object is longer than `_MAX_OBJECT`, or the text is not UTF-8.
        """
        if len(self.rest) - self.at > _MAX_OBJECT:
            raise PreparationError(
                f"{self.path} holds an object of more than {_MAX_OBJECT:,} characters, as none of "
                "the paper's files does"
            )
        try:
            piece = self.file.read(_CHUNK)
        except UnicodeDecodeError:
            raise PreparationError(f"{self.path} is not UTF-8 text; save it as UTF-8") from None
        self.rest, self.at = self.rest[self.at :] + piece, 0
        self.has_ended = not piece

    def peek(self) -> str:
        """Skip white space and return the next character; empty at the end."""
        while True:
            while self.at < len(self.rest) and self.rest[self.at] in _SPACE:
                self.at += 1
            if self.at < len(self.rest) or self.has_ended:
                return self.rest[self.at : self.at + 1]
            self.more()

    def value(self) -> Any:
        """Consume one JSON value.

        Raises:
            PreparationError: There is none, or it is incomplete.
        """
        if not self.peek():
            raise _broken(self.path, "is not JSON: it ends in the middle of its list")
        while True:
            try:
                value, end = _DECODER.raw_decode(self.rest, self.at)
            except PreparationError as error:
                raise _broken(self.path, f"is not JSON: {error}") from None
            except RecursionError:
                raise _broken(self.path, "is not JSON: nested too deeply") from None
            except ValueError as error:
                # The value may continue in the next chunk.
                if self.has_ended:
                    raise _broken(self.path, f"is not JSON: {brief(error)}") from None
            else:
                self.at = end
                return value
            self.more()


def _broken(path: Path, what: str, number: int | None = None) -> PreparationError:
    where = path if number is None else f"{path}, object {number}"
    return PreparationError(f"{where} {what}; download it again")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise PreparationError(f"an object has the key {brief(repeated)} twice")
    return entries


_DECODER = json.JSONDecoder(object_pairs_hook=_without_repeats)
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_SPACE = " \t\r\n"


def _objects(path: Path) -> Iterator[Any]:
    """Yield the objects of a JSON list, or of JSON lines, without reading them all at once.

    Raises:
        PreparationError: The file is neither, is incomplete, or is empty.
    """
    if path.exists() and not path.is_file():
        raise PreparationError(f"{path} is not a file; give the published JSON file")
    with path.open(encoding="utf-8-sig") as file:
        text = _Text(path, file)
        first = text.peek()
        if not first:
            raise _broken(path, "is empty")
        if first == "[":
            yield from _list_objects(text)
        else:
            while text.peek():
                yield text.value()


def _list_objects(text: _Text) -> Iterator[Any]:
    text.at += 1
    if text.peek() == "]":
        raise _broken(text.path, "is an empty list")
    for number in count(1):
        yield text.value()
        mark = text.peek()
        text.at += 1
        if mark == "]":
            break
        if not mark:
            ends = f"ends after object {number:,} without the `]` of its list: it was cut there"
            raise _broken(text.path, ends)
        if mark != ",":
            other = f"{mark!r} follows object {number:,}, where `,` or `]` is expected"
            raise _broken(text.path, f"is not JSON: {other}")
    if junk := text.peek():
        raise _broken(text.path, f"continues after the `]` of its list: {junk!r}")
