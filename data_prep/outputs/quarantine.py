"""Lists of what was left out, with reasons: images, and entries that give no question."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from data_prep.images.leaks import Leak
from data_prep.sources.samples import Skipped
from data_prep.support.errors import PreparationError
from unifer_tasks.support.files import atomic_write_lines
from unifer_tasks.support.records import RecordError, parse_json, record, require_file

T = TypeVar("T")

QUARANTINE_NAME = "quarantine.jsonl"
SKIPPED_NAME = "skipped.jsonl"
UNANNOTATED_NAME = "unannotated.jsonl"


@dataclass(frozen=True, slots=True)
class Fault:
    """An image that cannot be used, or an annotation of one.

    Attributes:
        dataset: The dataset's key.
        id: The sample's id.
        file: The image's name in its archive.
        reason: Why it is left out.
    """

    dataset: str
    id: str
    file: str
    reason: str


def write_list(path: Path, entries: Iterable[Fault | Skipped | Leak]) -> None:
    """Write a list, one object per line; an empty list is an empty file."""
    with atomic_write_lines(path) as write:
        for entry in entries:
            write(asdict(entry))


def read_list(kind: type[T], path: Path) -> Iterator[T]:
    """Yield the entries of a list that a build wrote, one object per line.

    Raises:
        PreparationError: An entry is damaged; the message names the line.
        OSError: The list cannot be read.
    """
    where = str(path)
    try:
        require_file(path)
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                where = f"{path}, line {number:,}"
                yield record(kind, parse_json(line))
    except RecordError as error:
        raise PreparationError(f"{where}: {error}; remove the folder and build it again") from None
