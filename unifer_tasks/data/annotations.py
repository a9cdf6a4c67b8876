"""What a benchmark row may hold besides its question: votes, attributes, where the face is.

The columns are optional: an older build lacks them, as do datasets without such annotations. A
row without an annotation has null.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from unifer_tasks.data.manifest import DataError

UNSURE = "unsure"
"""The gender that the annotators of RAF-DB could not tell."""

_N_LANDMARKS = 10
"""Numbers of five places."""

ATTRIBUTES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "gender": ("male", "female", UNSURE),
        "race": ("Caucasian", "African-American", "Asian"),
        "age_group": ("0-3", "4-19", "20-39", "40-69", "70+"),
    }
)
"""Attribute -> its values, in the words and the order of RAF-DB's own description.

They are what annotators thought of a face at sight, not what the person says of themselves.
"""


@dataclass(frozen=True, slots=True)
class Annotations:
    """The annotations of one question; each is None where nobody made it.

    Attributes:
        votes: How many annotators chose each candidate label, in the order of the candidates.
        votes_other: How many chose none of them: unknown, or no face.
        gender: One of `ATTRIBUTES`, as annotators saw it.
        race: As `gender`.
        age_group: As `gender`, in years.
        intensity: Of a synthetic face: the mean intensity of the action units of its label's
            prototype, from 0 to 1.
        landmarks: x and y in pixels of the eye on the left of the image, the eye on its right, the
            tip of the nose, and the left and right corner of the mouth; they may be outside.
    """

    votes: tuple[int, ...] | None = None
    votes_other: int | None = None
    gender: str | None = None
    race: str | None = None
    age_group: str | None = None
    intensity: float | None = None
    landmarks: tuple[float, ...] | None = None


ANNOTATION_TYPES: Mapping[str, pa.DataType] = MappingProxyType(
    {
        "votes": pa.list_(pa.int64()),
        "votes_other": pa.int64(),
        **dict.fromkeys(ATTRIBUTES, pa.string()),
        "intensity": pa.float64(),
        "landmarks": pa.list_(pa.float64()),
    }
)
"""Column -> its type, for each field of `Annotations`."""

assert list(ANNOTATION_TYPES) == [field.name for field in fields(Annotations)]


def read_annotations(path: Path) -> dict[str, Annotations]:
    """Return the annotations of each question of a dataset's file, by its id.

    Args:
        path: A `test.parquet` of a benchmark folder.

    Returns:
        Question id -> annotations; empty if the file has none of the columns.

    Raises:
        DataError: The file cannot be read, or a column is not what it should be.
    """
    try:
        with pq.ParquetFile(path) as parquet:
            for problem in annotation_problems(parquet):
                raise DataError(f"{path} {problem}; build it again")
            columns = _columns(parquet)
            if not columns:
                return {}
            rows = parquet.read(columns=["id", *columns]).to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        text = " ".join(str(error).split())
        raise DataError(f"{path} cannot be read ({text:.160}); build it again") from None
    return {row.pop("id"): _annotations(row) for row in rows}


def annotation_problems(parquet: pq.ParquetFile) -> Iterator[str]:
    """Yield what is wrong with the annotations of a dataset's file; nothing if it has none.

    Each is a phrase about the file. The base columns are known to be what they should be.
    """
    schema = parquet.schema_arrow
    columns = _columns(parquet)
    wrong = [name for name in columns if _small(schema.field(name).type) != ANNOTATION_TYPES[name]]
    for name in wrong:
        yield (
            f"has {schema.field(name).type} in the column `{name}`, where "
            f"{ANNOTATION_TYPES[name]} belongs"
        )
    if wrong or not columns:
        return
    for batch in parquet.iter_batches(columns=["id", "candidate_labels", *columns]):
        for row in batch.to_pylist():
            for name in columns:
                if row[name] is not None and not _FITS[name](row[name], row):
                    yield f"has {row[name]!r:.80} as `{name}` of {row['id']}"
                    return


def _columns(parquet: pq.ParquetFile) -> list[str]:
    present = parquet.schema_arrow.names
    return [name for name in ANNOTATION_TYPES if name in present]


def _small(kind: pa.DataType) -> pa.DataType:
    """Return the type that holds the same with offsets of 32 bits, as other writers use 64."""
    if pa.types.is_large_list(kind):
        return pa.list_(kind.value_type)
    return pa.string() if pa.types.is_large_string(kind) else kind


def _annotations(row: Mapping[str, Any]) -> Annotations:
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in row.items()
    }
    return Annotations(**values)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and value >= 0


def _are_votes(value: Any, row: Mapping[str, Any]) -> bool:
    return len(value) == len(row["candidate_labels"] or ()) and all(map(_is_count, value))


def _are_landmarks(value: Any) -> bool:
    return len(value) == _N_LANDMARKS and None not in value and all(map(math.isfinite, value))


def _is_one_of(name: str) -> Callable[[Any, Mapping[str, Any]], bool]:
    return lambda value, row: value in ATTRIBUTES[name]


_FITS: Mapping[str, Callable[[Any, Mapping[str, Any]], bool]] = {
    "votes": _are_votes,
    "votes_other": lambda value, row: _is_count(value),
    **{name: _is_one_of(name) for name in ATTRIBUTES},
    "intensity": lambda value, row: math.isfinite(value) and 0 <= value <= 1,
    "landmarks": lambda value, row: _are_landmarks(value),
}
"""Column -> whether a value that is not null may be in it, given its row."""
