"""Images that were left out, listed with the reason."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from unifer_tasks.files import replacing_lines

QUARANTINE_NAME = "quarantine.jsonl"


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


def write_faults(path: Path, faults: Iterable[Fault]) -> None:
    """Writes the list, one object a line; an empty list is an empty file."""
    with replacing_lines(path) as write:
        for fault in faults:
            write(asdict(fault))


def read_faults(path: Path) -> list[Fault]:
    """Reads a list; none if there is no file."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8") as lines:
        return [Fault(**json.loads(line)) for line in lines]
