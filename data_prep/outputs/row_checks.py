"""Checks of training rows: ids, labels and images."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from data_prep.images.fingerprints import FOLDER, fingerprints
from data_prep.images.inspection import inspect
from data_prep.outputs.rebase import place_below
from data_prep.outputs.training_folder import (
    Image,
    Repeats,
    Shard,
    TrainingManifest,
    by_label,
    repeats_of,
)
from data_prep.support.errors import brief
from data_prep.support.parallel import ordered_map
from data_prep.support.tree import MAX_IMAGE_BYTES
from unifer_tasks.support.counted import counted
from unifer_tasks.support.records import require_file

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "rlvr": ("data_source", "images", "extra_info", "reward_model"),
    "cot": ("data_source", "images", "extra_info"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """The parts of a row that are checked.

    Attributes:
        dataset: The dataset's key.
        label: The ground truth.
        id: The sample's id; None or empty if it is missing.
        images: The paths of its images.
    """

    dataset: str
    label: str
    id: str | None
    images: tuple[str, ...]


def read_rows(path: Path, kind: str) -> Iterator[Row]:
    """Read a shard.

    Raises:
        ArrowException, OSError, KeyError, TypeError, ValueError: It holds no rows of this kind.
    """
    # Arrow waits for what a pipe may bring.
    require_file(path)
    with pq.ParquetFile(path) as parquet:
        for batch in parquet.iter_batches(columns=list(_COLUMNS[kind])):
            for row in batch.to_pylist():
                extra = row["extra_info"]
                label = extra["label"] if kind == "cot" else row["reward_model"]["ground_truth"]
                images = tuple(image["image"] for image in row["images"])
                if not images or not all(isinstance(image, str) for image in images):
                    raise ValueError("has rows whose images have no path")
                if not isinstance(label, str) or not isinstance(row["data_source"], str):
                    raise ValueError("has rows without a dataset or a label")
                yield Row(row["data_source"], label, extra["id"], images)


def shard_problem(path: Path, shard: Shard, kind: str) -> str | None:
    """Return the problem of a file of training rows, None if there is none."""
    try:
        n_rows = sum(1 for _ in read_rows(path, kind))
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        return f"cannot be read as training rows ({brief(error)})"
    if n_rows != shard.rows:
        return f"has {counted(n_rows, 'row')}, its manifest says {shard.rows:,}"
    return None


def row_problems(root: Path, manifest: TrainingManifest) -> Iterator[list[str]]:
    """Yield lists of problems of ids and labels, one list per kind; the rows must be readable."""
    parts_of: dict[tuple[str, str], str] = {}
    images_of: dict[tuple[str, str], tuple[str, ...]] = {}
    for part in manifest.shards:
        rows: Counter[Image] = Counter()
        labels: Counter[tuple[str, str]] = Counter()
        nameless, outside = 0, dict[str, None]()
        misnamed: dict[str, None] = {}
        for row in _rows(root, manifest, part):
            labels[row.dataset, row.label] += 1
            if (source := manifest.root_of(row.dataset)) is not None:
                lost = (image for image in row.images if place_below(source, image) is None)
                outside.update(dict.fromkeys(lost))
            if not row.id:
                nameless += 1
                continue
            rows[Image(row.dataset, row.label, row.id)] += 1
            key = (row.dataset, row.id)
            if parts_of.setdefault(key, part) != part:
                misnamed[f"{row.dataset} {row.id} is in {parts_of[key]} and in {part}"] = None
            elif images_of.setdefault(key, row.images) != row.images:
                misnamed[f"{row.dataset} {row.id} is the id of several images"] = None
        if nameless:
            yield [f"{root}: {counted(nameless, f'{part} row')} without an id; build it again"]
        yield [f"{image} lies below no root of {root}; build it again" for image in outside]
        yield [f"{root}: {what}; build it again" for what in misnamed]
        yield list(_label_problems(root, part, labels, manifest))
        yield [f"{root}: {what}; build it again" for what in _repeat_problems(part, rows, manifest)]


def _label_problems(
    root: Path, part: str, found: Mapping[tuple[str, str], int], manifest: TrainingManifest
) -> Iterator[str]:
    listed = by_label(manifest.counts_out.get(part, {}))
    for dataset, label in dict.fromkeys((*listed, *found)):
        n, expected = found.get((dataset, label), 0), listed.get((dataset, label), 0)
        if n != expected:
            yield (
                f"{root}: {counted(n, f'{part} row')} of {dataset} {label}, its manifest says "
                f"{expected:,}"
            )


def _repeat_problems(
    part: str, rows: Mapping[Image, int], manifest: TrainingManifest
) -> Iterator[str]:
    if part in manifest.repeats:
        recorded = by_label(manifest.repeats[part])
        for (dataset, label), found in by_label(repeats_of(rows)).items():
            expected = recorded.get((dataset, label), Repeats(0, 0, 0, 0))
            # Rows do not tell how many images were available.
            if replace(found, available=expected.available) != expected:
                yield f"{part} rows of {dataset} {label}: {found}; its manifest says {expected}"
    elif not manifest.is_composed:
        for image, n in rows.items():
            if n > 1:
                yield f"{image.dataset} {image.id} is in {n:,} {part} rows"


def image_problems(root: Path, manifest: TrainingManifest, jobs: int | None) -> list[str]:
    """Return the problems of the images, each decoded and compared with its fingerprint, if any."""
    pixels = fingerprints(root / FOLDER)
    images = {
        image: pixels.get((row.dataset, row.id or ""))
        for part in manifest.shards
        for row in _rows(root, manifest, part)
        for image in row.images
    }
    faults = ordered_map(_image_fault, images.items(), jobs)
    return [fault for fault in faults if fault is not None]


def missing_images(root: Path, manifest: TrainingManifest) -> dict[str, list[str]]:
    """Return the existing folder of each source -> the images of rows that are missing there."""
    missing: dict[str, dict[str, None]] = defaultdict(dict)
    for part in manifest.shards:
        for row in _rows(root, manifest, part):
            folder = manifest.root_of(row.dataset)
            if folder is not None and Path(folder).is_dir():
                absent = (image for image in row.images if not Path(image).is_file())
                missing[folder].update(dict.fromkeys(absent))
    return {folder: list(images) for folder, images in missing.items() if images}


def _image_fault(task: tuple[str, bytes | None]) -> str | None:
    name, pixels = task
    path = Path(name)
    if not path.is_file():
        return f"{name} is missing"
    try:
        with path.open("rb") as file:
            found = inspect(file.read(MAX_IMAGE_BYTES + 1))
    except OSError as error:
        return f"{name} cannot be read: {error.strerror or error}"
    if found.fault is not None:
        return f"{name} {found.fault}"
    if pixels is not None and found.pixels != pixels:
        return f"{name} is not the image that was there when the rows were built; build them again"
    return None


def _rows(root: Path, manifest: TrainingManifest, part: str) -> Iterator[Row]:
    for shard in manifest.shards[part]:
        yield from read_rows(root / shard.path, manifest.kind)
