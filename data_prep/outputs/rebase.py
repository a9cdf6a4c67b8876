"""Moving training rows to where their images lie on another machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data_prep.errors import BuildError, reading_parquet
from data_prep.outputs.training_folder import (
    ROWS_PER_GROUP,
    Shard,
    TrainingManifest,
    read_training_manifest,
    write_training_manifest,
)
from unifer_tasks.data.manifest import sha256
from unifer_tasks.support.files import atomic_write


def new_roots(manifest: TrainingManifest, given: Mapping[str | None, str]) -> dict[str, str]:
    """Return the root of each source after a move.

    Args:
        manifest: Of the rows, with the roots so far.
        given: Source -> its new root; under None the folder in place of the one that
            all roots have in common.

    Raises:
        BuildError: A source is not in the manifest.
    """
    empty = [source or "all sources" for source, root in given.items() if not root]
    if empty:
        raise BuildError(f"no new root is given for {empty[0]}")
    unknown = [source for source in given if source is not None and source not in manifest.roots]
    if unknown:
        raise BuildError(
            f"{unknown[0]!r} is not a source of these rows: {', '.join(manifest.roots)}"
        )
    if not manifest.roots:
        raise BuildError("these rows name no source, so there is nothing to move; build them again")
    try:
        common = os.path.commonpath(list(manifest.roots.values()))
    except ValueError:
        raise BuildError(
            "some roots of these rows are absolute paths and others are not; build them again"
        ) from None
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


@dataclass(frozen=True, slots=True)
class _Move:
    """Where the images of a source lay, and where they lie now."""

    old: str
    new: str


def rebase(folder: Path, given: Mapping[str | None, str]) -> TrainingManifest:
    """Rewrite the image paths of a folder of training rows.

    Killed half-way, the same command finishes it: a shard that is no longer the one of the manifest
    was rewritten, and its paths that are new already are kept.

    Args:
        folder: What `unifer-data rlvr` or `cot` wrote.
        given: As in `new_roots`.

    Raises:
        BuildError: A shard is missing or damaged, a path lies below no root of the manifest, or a
            source is unknown.
        DataError: The manifest is absent or damaged.
    """
    manifest = read_training_manifest(folder)
    roots = new_roots(manifest, given)
    moves = {source: _Move(manifest.roots[source], root) for source, root in roots.items()}
    shards = {
        part: tuple(_rebased(folder, shard, manifest, moves) for shard in shards)
        for part, shards in manifest.shards.items()
    }
    manifest = replace(manifest, roots=roots, shards=shards)
    write_training_manifest(folder, manifest)
    return manifest


def _rebased(
    folder: Path, shard: Shard, manifest: TrainingManifest, moves: Mapping[str, _Move]
) -> Shard:
    path = folder / shard.path
    if not path.is_file():
        raise BuildError(f"{path} is missing; run the command that built it again")
    is_untouched = sha256(path) == shard.sha256

    def moved(dataset: str, image: str) -> str:
        source = manifest.source_of(dataset)
        move = None if source is None else moves[source]
        if move is not None:
            if not is_untouched and place_below(move.new, image) is not None:
                return image
            place = place_below(move.old, image)
            if place is not None:
                return f"{move.new.rstrip('/')}/{place}"
        below = move.old if move else f"any of {', '.join(moves)}"
        raise BuildError(f"{path}: {image} does not lie below {below}; build the rows again")

    with reading_parquet(path, "training rows"), atomic_write(path) as partial:
        map_images(path, partial, moved)
    return replace(shard, sha256=sha256(path))


def map_images(source: Path, target: Path, moved: Callable[[str, str], str]) -> None:
    """Copy a shard with every image path changed, some thousand rows at a time.

    Args:
        source: The shard.
        target: The copy.
        moved: Returns the new path of a dataset's image.
    """

    def with_moved_images(row: dict[str, Any]) -> dict[str, Any]:
        for image in row["images"]:
            image["image"] = moved(row["data_source"], image["image"])
        return row

    map_rows(source, target, with_moved_images)


def map_rows(
    source: Path, target: Path, changed: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    """Copy a shard with every row changed, some thousand rows at a time."""
    file = pq.ParquetFile(source)
    with pq.ParquetWriter(target, file.schema_arrow, compression="zstd") as writer:
        for batch in file.iter_batches(ROWS_PER_GROUP):
            rows = [changed(row) for row in batch.to_pylist()]
            writer.write_table(pa.Table.from_pylist(rows, schema=file.schema_arrow))


def place_below(root: str, image: str) -> str | None:
    """Return an image's path from a root on; None if it does not lie below that."""
    folder = root.rstrip("/") + "/"
    return image.removeprefix(folder) if image.startswith(folder) else None


def _absolute(root: str) -> str:
    return os.path.abspath(root)  # noqa: PTH100 - a root of another machine, with no links here
