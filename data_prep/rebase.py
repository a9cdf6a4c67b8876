"""Moving training rows to where their images lie on another machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data_prep.benchmark import BuildError
from data_prep.training import (
    ROWS_PER_GROUP,
    Shard,
    TrainingManifest,
    read_training_manifest,
    write_training_manifest,
)
from unifer_tasks.files import replacing
from unifer_tasks.manifest import sha256


def new_roots(manifest: TrainingManifest, given: Mapping[str | None, str]) -> dict[str, str]:
    """Returns the root of each source after a move.

    Args:
        manifest: Of the rows, with the roots so far.
        given: Source -> its new root; under None the folder that stands in for the one that
            all roots have in common.

    Raises:
        BuildError: A source is not in the manifest.
    """
    unknown = [source for source in given if source is not None and source not in manifest.roots]
    if unknown:
        raise BuildError(f"{unknown[0]!r} is no source of these rows: {', '.join(manifest.roots)}")
    common = os.path.commonpath(list(manifest.roots.values()))
    roots = {}
    for source, root in manifest.roots.items():
        if source in given:
            roots[source] = _absolute(given[source])
        elif None in given:
            roots[source] = os.path.normpath(
                os.path.join(_absolute(given[None]), os.path.relpath(root, common))  # noqa: PTH118
            )
        else:
            roots[source] = root
    return roots


def rebase(folder: Path, given: Mapping[str | None, str]) -> TrainingManifest:
    """Rewrites the image paths of a folder of training rows.

    Killed half-way, the same command finishes it: a path that is already new is kept.

    Args:
        folder: What `unifer-data rlvr` or `cot` wrote.
        given: As in `new_roots`.

    Raises:
        BuildError: A path lies below no root of the manifest, or a source is unknown.
        DataError: The manifest is absent or damaged.
    """
    manifest = read_training_manifest(folder)
    roots = new_roots(manifest, given)
    moved = {manifest.roots[source]: root for source, root in roots.items()}
    shards = {
        part: tuple(_rebased(folder, shard, moved) for shard in shards)
        for part, shards in manifest.shards.items()
    }
    manifest = replace(manifest, roots=roots, shards=shards)
    write_training_manifest(folder, manifest)
    return manifest


def map_images(source: Path, target: Path, change: Callable[[str], str]) -> None:
    """Copies a shard with every image path changed, some thousand rows at a time."""
    file = pq.ParquetFile(source)
    with pq.ParquetWriter(target, file.schema_arrow, compression="zstd") as writer:
        for batch in file.iter_batches(ROWS_PER_GROUP):
            rows: list[dict[str, Any]] = batch.to_pylist()
            for row in rows:
                for image in row["images"]:
                    image["image"] = change(image["image"])
            writer.write_table(pa.Table.from_pylist(rows, schema=file.schema_arrow))


def _rebased(folder: Path, shard: Shard, moved: Mapping[str, str]) -> Shard:
    path = folder / shard.path

    def change(image: str) -> str:
        for old, new in moved.items():
            if _is_below(image, new):
                return image
            if _is_below(image, old):
                return new + image.removeprefix(old)
        raise BuildError(f"{path}: {image} lies below none of {list(moved)}; build the rows again")

    with replacing(path) as partial:
        map_images(path, partial, change)
    return replace(shard, sha256=sha256(path))


def _is_below(image: str, root: str) -> bool:
    return image.startswith(root.rstrip("/") + "/")


def _absolute(root: str) -> str:
    return os.path.abspath(root)  # noqa: PTH100 - a root of another machine, with no links here
