"""What the parquet file of a dataset holds, compared with what its manifest says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as types

from unifer_tasks.data.annotations import annotation_problems
from unifer_tasks.data.manifest import DataError, DatasetFile, Manifest, intact_path
from unifer_tasks.protocol.labels import label_space
from unifer_tasks.support.counted import counted

ROWS_PER_BATCH = 256
"""Bounds the memory: a row holds an encoded image."""


def _is_text(kind: pa.DataType) -> bool:
    return bool(types.is_string(kind) or types.is_large_string(kind))


def _is_texts(kind: pa.DataType) -> bool:
    is_list = types.is_list(kind) or types.is_large_list(kind)
    return bool(is_list and _is_text(kind.value_type))


def _is_image(kind: pa.DataType) -> bool:
    if not types.is_struct(kind) or kind.get_field_index("bytes") < 0:
        return False
    encoded = kind.field("bytes").type
    return bool(types.is_binary(encoded) or types.is_large_binary(encoded))


_COLUMNS: Mapping[str, tuple[str, Callable[[pa.DataType], bool]]] = {
    "id": ("text", _is_text),
    "image": ("a struct with `bytes`", _is_image),
    "target": ("text", _is_text),
    "candidate_labels": ("a list of texts", _is_texts),
    "dataset": ("text", _is_text),
}
"""Column -> what it holds, in words and as a test of its type."""


def checked_path(root: Path, manifest: Manifest, dataset: str) -> Path:
    """Return the parquet file of one dataset, whose bytes and rows are those of the manifest.

    Raises:
        DataError: The dataset was not built, or its file is gone, damaged or of other rows.
    """
    path = intact_path(root, manifest, dataset)
    held = label_space(dataset).data_key
    for problem in problems(path, held, manifest.datasets[held]):
        raise DataError(problem)
    return path


def problems(path: Path, dataset: str, file: DatasetFile) -> Iterator[str]:
    """Yield what is wrong with the rows of a dataset's file; images are not decoded.

    Args:
        path: The parquet file.
        dataset: The dataset's key.
        file: What the manifest says of it.
    """
    try:
        with pq.ParquetFile(path) as parquet:
            wrong = list(_wrong_columns(parquet.schema_arrow))
            yield from (f"{path} {problem}; build it again" for problem in wrong)
            if not wrong:
                for problem in chain(
                    _wrong_rows(parquet, dataset, file),
                    annotation_problems(parquet),
                    _wrong_annotations(parquet, file),
                ):
                    yield f"{path} {problem}; build it again"
    except (pa.ArrowException, OSError, ValueError) as error:
        text = " ".join(str(error).split())
        yield f"{path} cannot be read as parquet ({text:.160}); build it again"


def _wrong_columns(schema: pa.Schema) -> Iterator[str]:
    for name, (words, fits) in _COLUMNS.items():
        if schema.names.count(name) != 1:
            yield f"has no column `{name}`" if name not in schema.names else f"has `{name}` twice"
        elif not fits(schema.field(name).type):
            yield f"has {schema.field(name).type} in the column `{name}`, where {words} belongs"


def _wrong_rows(parquet: pq.ParquetFile, dataset: str, file: DatasetFile) -> Iterator[str]:
    ids: Counter[str | None] = Counter()
    targets: Counter[str | None] = Counter()
    lists: Counter[tuple[str, ...] | None] = Counter()
    datasets: Counter[str | None] = Counter()
    without_image = 0
    for batch in parquet.iter_batches(ROWS_PER_BATCH, columns=list(_COLUMNS)):
        ids.update(batch["id"].to_pylist())
        targets.update(batch["target"].to_pylist())
        datasets.update(batch["dataset"].to_pylist())
        lists.update(each and tuple(each) for each in batch["candidate_labels"].to_pylist())
        sizes = pc.binary_length(pc.struct_field(batch["image"], "bytes"))
        without_image += pc.sum(pc.equal(pc.fill_null(sizes, 0), 0)).as_py() or 0
    if without_image:
        yield f"has {counted(without_image, 'row')} without an image"
    if absent := ids.pop(None, 0) + ids.pop("", 0):
        yield f"has {counted(absent, 'row')} without an id"
    for name, times in ids.items():
        if times > 1:
            yield f"has the id {name!r} {times} times"
    if targets != Counter(file.counts):
        yield f"has {_shown(targets)}, its manifest says {_shown(file.counts)}"
    if others := lists.keys() - {label_space(dataset).labels}:
        yield f"asks for other labels than those of {dataset}: {next(iter(others))}"
    if strangers := datasets.keys() - {dataset}:
        yield f"has rows of {next(iter(strangers))!r}, not of {dataset}"


def _wrong_annotations(parquet: pq.ParquetFile, file: DatasetFile) -> Iterator[str]:
    for name, listed in file.annotations.items():
        found = 0
        if name in parquet.schema_arrow.names:
            batches = parquet.iter_batches(columns=[name])
            found = sum(len(batch) - batch[0].null_count for batch in batches)
        if found != listed:
            yield f"has {counted(found, 'row')} with `{name}`, its manifest says {listed:,}"


def _shown(counts: Mapping[str | None, int] | Mapping[str, int]) -> str:
    return ", ".join(f"{n:,} {label}" for label, n in counts.items() if n) or "no rows"
