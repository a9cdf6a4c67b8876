"""How the tests look at what a command wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from unifer_tasks.data.manifest import sha256


def hashes(folder: Path) -> dict[str, str]:
    """Relative path -> hash of each file below a folder."""
    return {
        str(path.relative_to(folder)): sha256(path) for path in folder.rglob("*") if path.is_file()
    }


def times(folder: Path) -> dict[Path, int]:
    """Path -> time of the last change, of each file below a folder."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def rows(out: Path, part: str = "train") -> list[dict[str, Any]]:
    """Return the rows of a part of a folder of training rows."""
    paths = sorted(out.glob(f"{part}-*.parquet"))
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


def lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a JSONL file."""
    return [json.loads(line) for line in path.read_text().splitlines()]
