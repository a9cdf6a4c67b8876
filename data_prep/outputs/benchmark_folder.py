"""Benchmark questions with their images -> the parquet folder that the tasks read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data_prep.outputs.recipes import require_same
from data_prep.outputs.training_folder import is_training_folder
from data_prep.support.errors import PreparationError
from data_prep.support.packed import UNPACKED
from data_prep.support.parallel import batches
from unifer_tasks.data.annotations import ANNOTATION_TYPES, Annotations
from unifer_tasks.data.manifest import (
    MANIFEST_NAME,
    DatasetFile,
    Manifest,
    read_manifest,
    sha256,
    write_manifest,
)
from unifer_tasks.protocol.labels import label_space
from unifer_tasks.support.files import atomic_write
from unifer_tasks.support.locks import LOCK_NAME

ROWS_PER_GROUP = 256
"""Limits the memory of writer and reader: a row holds an encoded image."""

_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_TYPES: Mapping[str, pa.DataType] = {
    "id": pa.string(),
    "image": _IMAGE,
    "target": pa.string(),
    "candidate_labels": pa.list_(pa.string()),
    "dataset": pa.string(),
}


def _schema(annotations: Sequence[str]) -> pa.Schema:
    types = {**_TYPES, **{name: ANNOTATION_TYPES[name] for name in annotations}}
    features = {name: _feature(kind) for name, kind in types.items()}
    # Tells `datasets` that `image` is an image.
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    return pa.schema(list(types.items()), metadata=metadata)


def _feature(kind: pa.DataType) -> Mapping[str, Any]:
    """Return the description of a type as `datasets` writes it."""
    if kind == _IMAGE:
        return {"_type": "Image"}
    if pa.types.is_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "List"}
    name = {"double": "float64"}.get(str(kind), str(kind))
    return {"dtype": name, "_type": "Value"}


@dataclass(frozen=True, slots=True)
class Row:
    """One question of the benchmark.

    Attributes:
        id: Unique in its dataset; the published `image_path` for the benchmark's own.
        image: The encoded image, as in its file.
        target: The true label, in the dataset's own words.
        annotations: Further facts about the face.
    """

    id: str
    image: bytes
    target: str
    annotations: Annotations = field(default_factory=Annotations)


def open_build(out: Path, manifest: Manifest) -> Manifest:
    """Start a build in a folder, or continue one that was interrupted.

    Args:
        out: The folder, created if it does not exist.
        manifest: The manifest of the new build, without datasets; they are in the one returned.

    Raises:
        PreparationError: The folder holds something else.
    """
    check_folder(out)
    if (out / MANIFEST_NAME).exists():
        held = read_manifest(out)
        require_same(out, _identity(held), _identity(manifest))
        return held
    out.mkdir(parents=True, exist_ok=True)
    write_manifest(out, manifest)
    return manifest


def _identity(manifest: Manifest) -> Mapping[str, Any]:
    """Return the part of a manifest that identifies a build."""
    return {"source": manifest.source, **manifest.recipe, **manifest.versions}


def check_folder(out: Path) -> None:
    """Check that a benchmark may be written to a folder.

    Raises:
        PreparationError: It is a file, or holds something else.
    """
    if out.exists() and not out.is_dir():
        raise PreparationError(f"{out} is a file; choose another folder")
    names = {path.name for path in out.iterdir()} if out.exists() else set()
    is_unknown = names - {UNPACKED, LOCK_NAME} and MANIFEST_NAME not in names
    if is_unknown or is_training_folder(out):
        raise PreparationError(f"{out} exists and is not a benchmark folder; choose another")


def write_dataset(
    out: Path,
    manifest: Manifest,
    dataset: str,
    rows: Iterable[Row],
    annotations: Sequence[str] = (),
) -> Manifest:
    """Write one dataset's questions, as they are yielded, and then the manifest that lists them.

    If it is killed, no half-written file has its final name.

    Returns:
        The manifest with this dataset in it.
    """
    relative = f"{dataset}/test.parquet"
    path = out / relative
    labels = list(label_space(dataset).labels)
    schema = _schema(annotations)
    counts: Counter[str] = Counter()
    annotated = dict.fromkeys(annotations, 0)
    with (
        atomic_write(path) as partial,
        pq.ParquetWriter(partial, schema, compression="none") as writer,
    ):
        for batch in batches(rows, ROWS_PER_GROUP):
            written = _batch(batch, labels, dataset, schema)
            writer.write_batch(written)
            counts.update(row.target for row in batch)
            for name in annotated:
                annotated[name] += len(batch) - written[name].null_count
    in_order = {label: counts[label] for label in labels}
    file = DatasetFile(relative, in_order, sha256(path), annotated)
    manifest = replace(manifest, datasets={**manifest.datasets, dataset: file})
    write_manifest(out, manifest)
    return manifest


def _batch(rows: list[Row], labels: list[str], dataset: str, schema: pa.Schema) -> pa.RecordBatch:
    columns: dict[str, list[Any]] = {
        "id": [row.id for row in rows],
        "image": [{"bytes": row.image, "path": None} for row in rows],
        "target": [row.target for row in rows],
        "candidate_labels": [labels] * len(rows),
        "dataset": [dataset] * len(rows),
    }
    for name in schema.names[len(columns) :]:
        columns[name] = [getattr(row.annotations, name) for row in rows]
    return pa.RecordBatch.from_pydict(columns, schema=schema)
