"""Every image decoded once: where it is, whether it is intact, what it looks like.

The findings go to small parquet files whose names hold a digest of everything they depend on,
including the sizes and times of the images. A file that exists is not written again: so a build
continues after a kill, and a second run does next to nothing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any, get_type_hints

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from data_prep.images.inspection import inspect
from data_prep.sources.inputs import Input
from data_prep.sources.samples import Sample, Skipped, Split
from data_prep.support.errors import reading_parquet
from data_prep.support.output import Output
from data_prep.support.parallel import batches
from data_prep.support.tree import Tree
from unifer_tasks.data.contents import checked_path
from unifer_tasks.data.manifest import Manifest
from unifer_tasks.support.files import atomic_write

FOLDER = ".examined"
_BENCHMARK = "ferbench"
ROWS_PER_FILE = 4096

_VERSION = 3
"""Part of every digest; raise it when the findings of an image change."""


@dataclass(frozen=True, slots=True)
class Examined:
    """One entry of an archive and the findings on it.

    Attributes:
        dataset: The dataset's key.
        split: The official split.
        id: The sample's id; a skipped entry's name.
        file: The image's name below the root of its source; empty if it has none.
        label: The label, in the dataset's own words; None if the entry gives no sample.
        left_out: Why the image cannot be used; None if it can.

    The other fields are those of `Skipped`, `Sample` and `Inspection`.
    """

    dataset: str
    split: str
    id: str
    file: str
    label: str | None
    left_out: str | None
    by_rule: bool = False
    votes: tuple[int, ...] | None = None
    valence: float | None = None
    arousal: float | None = None
    prompt: str | None = None
    response: str | None = None
    pixels: bytes = b""
    perceptual: bytes = b""


_TYPES: Mapping[object, pa.DataType] = {
    str: pa.string(),
    str | None: pa.string(),
    bool: pa.bool_(),
    tuple[int, ...] | None: pa.list_(pa.int64()),
    float | None: pa.float64(),
    bytes: pa.binary(),
}
_SCHEMA = pa.schema([(name, _TYPES[kind]) for name, kind in get_type_hints(Examined).items()])
NO_FINDINGS = _SCHEMA.empty_table()


@dataclass(frozen=True, slots=True)
class _Task:
    entry: Sample | Skipped
    split: Split
    data: bytes | str
    file: str
    extract_to: Path | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """The entries of a source, before any image is read.

    Attributes:
        paths: The files of its findings, in the order of the entries; some may not exist yet.
        counts: Label -> samples.
        pending: Those of the files that do not exist -> entries.
    """

    paths: list[Path]
    counts: Mapping[str, int]
    pending: Mapping[Path, int]


def list_entries(given: Input, folder: Path) -> Listing:
    """List a source's entries and the files of their findings, which lie in a folder.

    Raises:
        ArchiveError: An archive or one of its lists is damaged.
    """
    paths: list[Path] = []
    counts: Counter[str] = Counter()
    pending: dict[Path, int] = {}
    for number, batch in enumerate(batches(given.read(), ROWS_PER_FILE)):
        digest = _digest(batch, given.tree)
        paths.append(folder / f"{given.name}-{given.split}-{number:05d}-{digest}.parquet")
        counts.update(entry.label for entry in batch if isinstance(entry, Sample))
        if not paths[-1].exists():
            pending[paths[-1]] = len(batch)
    return Listing(paths, counts, pending)


def examine(given: Input, listing: Listing, output: Output) -> None:
    """Examine the entries of a source that have no findings yet, and extract packed images.

    Raises:
        ArchiveError: An image lies outside its root, or an archive is damaged.
    """
    if not listing.pending:
        return
    root = given.root(output.images)
    tasks = (
        _task(entry, given, root)
        for path, batch in zip(listing.paths, batches(given.read(), ROWS_PER_FILE), strict=True)
        if path in listing.pending
        for entry in batch
    )
    title, n_entries = f"{given.name} {given.split}", sum(listing.pending.values())
    rows = iter(output.map(title, _examine, tasks, n_entries))
    for path, n in listing.pending.items():
        _write(path, islice(rows, n))
    # Ends the processes and the progress.
    next(rows, None)


def remove_stale_findings(folder: Path, listings: Iterable[Listing]) -> None:
    """Remove the findings of entries that are no longer listed."""
    kept = {path for listing in listings for path in listing.paths}
    for path in folder.glob("*.parquet"):
        if path not in kept and not path.name.startswith(_BENCHMARK):
            path.unlink()


def examine_benchmark(root: Path, manifest: Manifest, output: Output) -> list[Path]:
    """Examine the images of a benchmark folder; return one file of findings per dataset.

    Raises:
        DataError: A dataset's file is missing or damaged.
    """
    folder = output.folder / FOLDER
    paths = []
    for dataset, file in manifest.datasets.items():
        path = folder / f"{_BENCHMARK}-{dataset}-{_VERSION}-{file.sha256[:32]}.parquet"
        paths.append(path)
        if not path.exists():
            tasks = _benchmark_tasks(dataset, checked_path(root, manifest, dataset))
            _write(path, output.map(f"{_BENCHMARK} {dataset}", _examine, tasks, file.rows))
    return paths


def read_examined(path: Path) -> list[Examined]:
    """Read one file of findings.

    Raises:
        PreparationError: It is damaged.
    """
    return [
        Examined(**{**row, "votes": None if row["votes"] is None else tuple(row["votes"])})
        for row in read_findings(path).to_pylist()
    ]


def read_findings(path: Path, columns: Sequence[str] = _SCHEMA.names) -> pa.Table:
    """Read columns of one file of findings.

    Raises:
        PreparationError: It is damaged.
    """
    remedy = "remove it and run the same command again"
    with reading_parquet(path, "findings", remedy), pq.ParquetFile(path) as file:
        if not file.schema_arrow.equals(_SCHEMA):
            raise ValueError("it has other columns")
        return file.read(columns=list(columns))


def fingerprints(folder: Path) -> dict[tuple[str, str], bytes]:
    """Return dataset and id -> pixel hash of all intact training images; none without the folder.

    Raises:
        PreparationError: A file of findings is damaged.
    """
    return {
        (row["dataset"], row["id"]): row["pixels"]
        for path in folder.glob("*.parquet")
        if not path.name.startswith(_BENCHMARK)
        for row in read_findings(path, ("dataset", "id", "pixels")).to_pylist()
        if row["pixels"]
    }


def _digest(batch: list[Sample | Skipped], tree: Tree) -> str:
    """Return a digest of everything that findings depend on, but not of the images' location."""
    digest = xxhash.xxh3_128(bytes([_VERSION]))
    for entry in batch:
        facts: list[Any] = [
            getattr(entry, field.name) for field in fields(entry) if field.name != "annotations"
        ]
        if isinstance(entry, Sample):
            facts.append(tree.stamp(entry.member))
        digest.update(json.dumps(facts).encode())
    return digest.hexdigest()


def _task(entry: Sample | Skipped, given: Input, root: Path) -> _Task:
    if isinstance(entry, Skipped):
        return _Task(entry, given.split, entry.reason, "")
    data = given.tree.try_read(entry.member)
    packed = given.tree.folder is None
    return _Task(entry, given.split, data, entry.member, root / entry.member if packed else None)


def _benchmark_tasks(dataset: str, path: Path) -> Iterator[_Task]:
    for batch in pq.ParquetFile(path).iter_batches(columns=["id", "image", "target"]):
        for row in batch.to_pylist():
            sample = Sample(dataset, row["id"], row["target"], Split.TEST, row["id"])
            yield _Task(sample, Split.TEST, row["image"]["bytes"], "")


def _examine(task: _Task) -> Examined:
    entry = task.entry
    if isinstance(entry, Skipped):
        return Examined(
            entry.dataset, task.split, entry.name, "", None, entry.reason, entry.by_rule
        )
    found = inspect(task.data)
    fault = found.fault
    if found.shown_otherwise and task.file:
        fault = found.shown_otherwise
    if task.extract_to is not None and isinstance(task.data, bytes) and fault is None:
        with atomic_write(task.extract_to) as partial:
            partial.write_bytes(task.data)
    return Examined(
        entry.dataset,
        entry.split,
        entry.id,
        task.file,
        entry.label,
        fault,
        votes=entry.votes,
        valence=entry.valence,
        arousal=entry.arousal,
        prompt=entry.prompt,
        response=entry.response,
        pixels=found.pixels,
        perceptual=found.perceptual,
    )


def _write(path: Path, rows: Iterable[Examined]) -> None:
    table = pa.Table.from_pylist([asdict(row) for row in rows], schema=_SCHEMA)
    with atomic_write(path) as partial:
        pq.write_table(table, partial, compression="zstd")
