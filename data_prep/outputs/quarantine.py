"""What was left out, listed with the reason: images, and entries that give no question."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from data_prep.sources.archives import Skipped
from unifer_tasks.support.files import replacing_lines

QUARANTINE_NAME = "quarantine.jsonl"
SKIPPED_NAME = "skipped.jsonl"


@dataclass(frozen=True, slots=True)
class Fault:
    """An image that cannot be used.

    Attributes:
        dataset: The dataset's key.
        id: The sample's id.
        file: The image's name in its archive.
        reason: What is wrong with it.
    """

    dataset: str
    id: str
    file: str
    reason: str


def write_list(path: Path, entries: Iterable[Fault | Skipped]) -> None:
    """Writes a list, one object a line; an empty list is an empty file."""
    with replacing_lines(path) as write:
        for entry in entries:
            write(asdict(entry))


def read_faults(path: Path) -> list[Fault]:
    """Reads a list; none if there is no file."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8") as lines:
        return [Fault(**json.loads(line)) for line in lines]
