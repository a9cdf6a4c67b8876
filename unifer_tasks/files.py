"""Files that are whole or absent."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a path to write to, which takes the final name once the block ends well.

    A kill leaves `NAME.partial` behind, which the next run overwrites.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    yield partial
    partial.replace(path)


@contextmanager
def replacing_lines(path: Path) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Gives a function that writes an object as a line of a JSONL file, as `replacing` does."""
    with replacing(path) as partial, partial.open("w", encoding="utf-8") as file:

        def write(row: Mapping[str, Any]) -> None:
            file.write(json.dumps(row) + "\n")

        yield write
