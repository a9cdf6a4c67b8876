"""Whether verl's datasets take a file's rows: its columns, the forms of its images, its lengths.

verl 0.9.1 reads an image when its batch comes, hours into a run, and takes other forms for SFT
(`utils/dataset/multiturn_sft_dataset.py`) than for GRPO (`rl_dataset.py`, and `fetch_image` of
qwen-vl-utils). An image without its `<image>`, or the reverse, fails there or is not seen.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recipes.training.checks.images import Picture, brief, image_problem, picture
from recipes.training.checks.tokens import PLACEHOLDER, Tokens
from recipes.training.configuration.settings import DataSettings, Stage

MAX_LISTED = 5

_BATCH_ROWS = 1024
WRITES = {"sft": "unifer-data cot", "grpo": "unifer-data rlvr"}


class RowsError(Exception):
    """A file is not a table of rows for its stage."""


@dataclass(slots=True)
class Found:
    """The problems of the rows of a file.

    Attributes:
        rows: How many rows it holds.
        malformed: Row -> what verl cannot read in it.
        missing: Image files that are not there.
        longest: Tokens of the longest row that is over the limit.
        overlong: How many rows are.
        blind: How many rows have no image.
    """

    rows: int = 0
    malformed: dict[int, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    longest: int = 0
    overlong: int = 0
    blind: int = 0


def count_rows(path: Path) -> int:
    """Return how many rows a file holds.

    Raises:
        RowsError: It is not there, or not a parquet file.
    """
    if not path.is_file():
        raise RowsError(f"{path} is not a file; write it by `unifer-data`")
    with _as_parquet(path):
        return int(pq.read_metadata(path).num_rows)


def examine_rows(stage: Stage, path: Path, data: DataSettings, tokens: Tokens | None) -> Found:
    """Look at every row of a file as verl's dataset of the stage will.

    Args:
        stage: "sft" or "grpo".
        path: A parquet file.
        data: Columns and lengths.
        tokens: Counts tokens with the model's processor; None leaves lengths out.

    Raises:
        RowsError: It is not a parquet file, or lacks a column that the stage reads.
    """
    messages_key, images_key = data.messages_key, data.images_key
    found = Found()
    with _as_parquet(path):
        file = pq.ParquetFile(path)
        _check_columns(stage, path, file.schema_arrow.names, messages_key)
        has_images = images_key in file.schema_arrow.names
        decoded = stage == "grpo" and _is_image_feature(file.schema_arrow, images_key)
        columns = [messages_key, *([images_key] if has_images else [])]
        for batch in file.iter_batches(_BATCH_ROWS, columns=columns):
            for row in batch.to_pylist():
                messages = row[messages_key]
                images = row[images_key] if has_images else ()
                if problem := _row_problem(stage, messages, images, has_images):
                    found.malformed[found.rows] = problem
                else:
                    pictures = [picture(image, decoded) for image in images or ()]
                    found.blind += not pictures
                    _count(found, pictures, messages, data.max_length, tokens)
                found.rows += 1
    return found


def row_problems(path: Path, found: Found, data: DataSettings) -> Iterator[str]:
    """Yield the problems of the rows of a file, one sentence per kind."""
    if found.malformed:
        listed = "; ".join(
            f"row {row}: {problem}" for row, problem in list(found.malformed.items())[:MAX_LISTED]
        )
        n = f"{len(found.malformed):,} of {found.rows:,}"
        yield f"verl cannot read {n} rows of {path}: {listed}"
    if found.missing:
        listed = ", ".join(found.missing[:MAX_LISTED])
        yield (
            f"{len(found.missing):,} images of {path} are not there, such as {listed}; "
            f"if they moved: unifer-data rebase {shlex.quote(str(path.parent))} --root NEW"
        )
    if found.overlong and (data.overlong == "refused" or found.overlong == found.rows):
        yield f"{_overlong(path, found, data)}; raise it to {found.longest} or more"


def row_notes(path: Path, found: Found, data: DataSettings) -> Iterator[str]:
    """Yield what becomes of rows that are too long, where the settings say that it may."""
    if found.overlong and data.overlong != "refused":
        became = "cut there" if data.overlong == "cut" else "left out"
        yield f"{_overlong(path, found, data)}, and are {became}"


def _overlong(path: Path, found: Found, data: DataSettings) -> str:
    n = f"{found.overlong:,} of {found.rows:,}"
    return f"{n} rows of {path} are longer than {data.length_key}"


@contextmanager
def _as_parquet(path: Path) -> Iterator[None]:
    """Turn what pyarrow raises about a file, on opening it or at any of its rows, into one error.

    Raises:
        RowsError: Something was raised.
    """
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RowsError(f"{path} cannot be read as parquet ({reason}); write it again") from None


def _check_columns(stage: Stage, path: Path, names: Sequence[str], messages_key: str) -> None:
    read = (messages_key, *(("data_source", "reward_model") if stage == "grpo" else ()))
    if lacks := [name for name in read if name not in names]:
        others = {"messages", "prompt"} & {*names}
        other = "; these are rows of the other stage" if others else ""
        raise RowsError(
            f"{path} has no column {' and '.join(lacks)}, which {stage.upper()} reads{other}; "
            f"give the file that `{WRITES[stage]}` writes"
        )


def _is_image_feature(schema: pa.Schema, key: str) -> bool:
    """Return whether the file asks `datasets` to decode its images, which GRPO reads it with."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return "Image" in json.dumps(features[key])
    except (KeyError, ValueError, TypeError):
        return False


def _row_problem(stage: Stage, messages: Any, images: Any, has_images: bool) -> str | None:
    if not isinstance(messages, list) or not messages:
        return "it has no list of messages"
    if not all(isinstance(message, Mapping) for message in messages):
        return "one of its messages has no role and content"
    if images is None and stage == "sft":
        return "its images are null, which SFT does not take: give a list"
    if images is not None and not isinstance(images, list | tuple):
        return f"its images are one value ({brief(images)}): give a list"
    asked = sum(
        message["content"].count(PLACEHOLDER)
        for message in messages
        if isinstance(message.get("content"), str)
    )
    given = len(images or ())
    if asked != given:
        where = "" if has_images else ", and the file has no column of them"
        return f"{asked} times {PLACEHOLDER} in its messages, and {given} images{where}"
    return next((p for image in images or () if (p := image_problem(stage, image))), None)


def _count(
    found: Found,
    pictures: Sequence[Picture],
    messages: Sequence[Mapping[str, Any]],
    limit: int,
    tokens: Tokens | None,
) -> None:
    gone = [str(p.file) for p in pictures if p.file is not None and not p.file.is_file()]
    found.missing += gone
    if gone or tokens is None:
        return
    try:
        n = tokens.of(messages, pictures, limit)
    except OSError as error:
        found.malformed[found.rows] = f"an image cannot be opened: {error}"
        return
    except Exception as error:  # Templates, tokenizers and processors raise what they meet.
        reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        found.malformed[found.rows] = f"its tokens cannot be counted: {reason}"
        return
    if n > limit:
        found.overlong += 1
        found.longest = max(found.longest, n)
