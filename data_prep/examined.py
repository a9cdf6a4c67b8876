"""Every image decoded once: where it lies, whether it is sound, what it looks like.

The findings go to small parquet files whose names carry a digest of all that they depend on, the
images' sizes and times among them. What is found under its name is not done again: that is how a
build goes on after a kill and how a second run does next to nothing.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from data_prep.archives import Sample, Skipped, Split, Tree
from data_prep.inspection import inspect
from data_prep.parallel import batches, ordered_map
from unifer_tasks.files import replacing
from unifer_tasks.manifest import Manifest, dataset_path

FOLDER = ".examined"
ROWS_PER_FILE = 4096

_VERSION = 1
"""Part of every digest: to be raised when an examination finds something else."""


@dataclass(frozen=True, slots=True)
class Examined:
    """One entry of an archive and what came of it.

    Attributes:
        dataset: The dataset's key.
        split: The official split.
        id: The sample's id; a skipped entry's name.
        file: The image's absolute path; empty if it has none.
        label: In the dataset's own word; None if the entry gives no sample.
        left_out: Why the image cannot be used; None if it can.
        by_rule: As in `Skipped`.
        votes: As in `Sample`.
        prompt: As in `Sample`.
        response: As in `Sample`.
        pixels: As in `Inspection`.
        perceptual: As in `Inspection`.
    """

    dataset: str
    split: str
    id: str
    file: str
    label: str | None
    left_out: str | None
    by_rule: bool = False
    votes: tuple[int, ...] | None = None
    prompt: str | None = None
    response: str | None = None
    pixels: bytes = b""
    perceptual: bytes = b""


_SCHEMA = pa.schema(
    [
        ("dataset", pa.string()),
        ("split", pa.string()),
        ("id", pa.string()),
        ("file", pa.string()),
        ("label", pa.string()),
        ("left_out", pa.string()),
        ("by_rule", pa.bool_()),
        ("votes", pa.list_(pa.int64())),
        ("prompt", pa.string()),
        ("response", pa.string()),
        ("pixels", pa.binary()),
        ("perceptual", pa.binary()),
    ]
)

Progress = Callable[[str, Iterable[Examined], int | None], Iterable[Examined]]


@dataclass(frozen=True, slots=True)
class _Task:
    entry: Sample | Skipped
    split: Split
    data: bytes | str
    file: str
    must_extract: bool


def examine(
    name: str,
    split: Split,
    tree: Tree,
    entries: Iterable[Sample | Skipped],
    folder: Path,
    *,
    images: Path,
    jobs: int | None = None,
    progress: Progress = lambda title, rows, n: rows,
) -> list[Path]:
    """Examines the entries of one split.

    Args:
        name: Names the source in files.
        split: The split that is read.
        tree: Holds the images.
        entries: What a reader yields.
        folder: Where findings are kept.
        images: Where images that have no file of their own are written.
        jobs: Processes that decode; None for one a core.
        progress: Wraps the entries (title, entries, how many if known).

    Returns:
        The files of findings, in the entries' order.

    Raises:
        ArchiveError: An image lies outside of its root, or an archive is damaged as a whole.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    pending: deque[tuple[Path, int]] = deque()

    def tasks() -> Iterator[_Task]:
        for number, batch in enumerate(batches(entries, ROWS_PER_FILE)):
            digest = _digest(batch, tree, images)
            path = folder / f"{name}-{split}-{number:05d}-{digest}.parquet"
            paths.append(path)
            if not path.exists():
                pending.append((path, len(batch)))
                for entry in batch:
                    yield _task(entry, split, tree, images)

    rows: list[Examined] = []
    for row in progress(f"{name} {split}", ordered_map(_examine, tasks(), jobs), None):
        rows.append(row)
        if len(rows) == pending[0][1]:
            _write(pending.popleft()[0], rows)
            rows = []
    for path in folder.glob(f"{name}-{split}-*.parquet"):
        if path not in paths:
            path.unlink()
    return paths


def examine_benchmark(
    root: Path,
    manifest: Manifest,
    folder: Path,
    *,
    jobs: int | None = None,
    progress: Progress = lambda title, rows, n: rows,
) -> list[Path]:
    """Examines the images of a benchmark folder; returns one file of findings a dataset.

    Raises:
        DataError: A dataset's file is gone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for dataset, file in manifest.datasets.items():
        path = folder / f"ferbench-{dataset}-{_VERSION}-{file.sha256[:32]}.parquet"
        paths.append(path)
        if not path.exists():
            tasks = _benchmark_tasks(dataset, dataset_path(root, manifest, dataset))
            rows = ordered_map(_examine, tasks, jobs)
            _write(path, progress(f"ferbench {dataset}", rows, file.rows))
    return paths


def read_examined(path: Path) -> list[Examined]:
    """Reads one file of findings."""
    return [
        Examined(**{**row, "votes": None if row["votes"] is None else tuple(row["votes"])})
        for row in pq.read_table(path).to_pylist()
    ]


def _digest(batch: list[Sample | Skipped], tree: Tree, images: Path) -> str:
    digest = xxhash.xxh3_128(bytes([_VERSION]))
    for entry in batch:
        facts: list[Any] = [getattr(entry, field.name) for field in fields(entry)]
        if isinstance(entry, Sample):
            facts += [tree.stamp(entry.member), str(tree.on_disk(entry.member) or images)]
        digest.update(json.dumps(facts).encode())
    return digest.hexdigest()


def _task(entry: Sample | Skipped, split: Split, tree: Tree, images: Path) -> _Task:
    if isinstance(entry, Skipped):
        return _Task(entry, split, entry.reason, "", False)
    data = tree.try_read(entry.member)
    own = tree.on_disk(entry.member)
    return _Task(entry, split, data, str(own or images / entry.member), own is None)


def _benchmark_tasks(dataset: str, path: Path) -> Iterator[_Task]:
    for batch in pq.ParquetFile(path).iter_batches(columns=["id", "image", "target"]):
        for row in batch.to_pylist():
            sample = Sample(dataset, row["id"], row["target"], Split.TEST, row["id"])
            yield _Task(sample, Split.TEST, row["image"]["bytes"], "", False)


def _examine(task: _Task) -> Examined:
    entry = task.entry
    if isinstance(entry, Skipped):
        return Examined(
            entry.dataset, task.split, entry.name, "", None, entry.reason, entry.by_rule
        )
    found = inspect(task.data)
    if task.must_extract and isinstance(task.data, bytes) and found.fault is None:
        with replacing(Path(task.file)) as partial:
            partial.write_bytes(task.data)
    return Examined(
        entry.dataset,
        entry.split,
        entry.id,
        task.file,
        entry.label,
        found.fault,
        votes=entry.votes,
        prompt=entry.prompt,
        response=entry.response,
        pixels=found.pixels,
        perceptual=found.perceptual,
    )


def _write(path: Path, rows: Iterable[Examined]) -> None:
    table = pa.Table.from_pylist([asdict(row) for row in rows], schema=_SCHEMA)
    with replacing(path) as partial:
        pq.write_table(table, partial, compression="zstd")
