"""Adapt training rows to the place of their images on another machine."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data_prep.outputs.training_folder import (
    ROWS_PER_GROUP,
    Shard,
    TrainingManifest,
    read_training_manifest,
    shard_path,
    write_training_manifest,
)
from data_prep.support.errors import PreparationError, reading_parquet
from unifer_tasks.data.manifest import sha256
from unifer_tasks.support.files import atomic_write


def rebase_command(folder: Path, root: str = "NEW") -> str:
    """Return the command by which rows follow their images, with `--root` as it is typed."""
    return shlex.join(["unifer-data", "rebase", str(folder), "--root", root])


def new_roots(manifest: TrainingManifest, given: Mapping[str | None, str]) -> dict[str, str]:
    """Return the root of each source after a move.

    Args:
        manifest: Of the rows, with the roots so far.
        given: Source -> its new root; under None the replacement for the common parent of all
            roots.

    Raises:
        PreparationError: A source is not in the manifest.
    """
    empty = [source or "all sources" for source, root in given.items() if not root]
    if empty:
        raise PreparationError(f"no new root is given for {empty[0]}")
    unknown = [source for source in given if source is not None and source not in manifest.roots]
    if unknown:
        raise PreparationError(
            f"{unknown[0]!r} is not a source of these rows: {', '.join(manifest.roots)}"
        )
    if not manifest.roots:
        raise PreparationError(
            "these rows name no source, so there is nothing to move; build them again"
        )
    try:
        common = os.path.commonpath(list(manifest.roots.values()))
    except ValueError:
        raise PreparationError(
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


def rebase(folder: Path, given: Mapping[str | None, str]) -> TrainingManifest:
    """Rewrite the image paths of a folder of training rows, given the roots as to `new_roots`.

    After a kill, the same command finishes the work: a shard that differs from the manifest was
    already rewritten, and its new paths are kept.

    Raises:
        PreparationError: A shard is damaged, a path is not below any root of the manifest, or
            a source is unknown.
        DataError: The manifest is missing or damaged, or a shard is missing.
    """
    manifest = read_training_manifest(folder)
    roots = new_roots(manifest, given)
    shards = {
        part: tuple(_rebased(folder, shard, manifest, roots) for shard in shards)
        for part, shards in manifest.shards.items()
    }
    manifest = replace(manifest, roots=roots, shards=shards)
    write_training_manifest(folder, manifest)
    return manifest


def _rebased(
    folder: Path, shard: Shard, manifest: TrainingManifest, roots: Mapping[str, str]
) -> Shard:
    path = folder / shard.path
    is_untouched = path.is_file() and sha256(path) == shard.sha256

    def moved(source: str | None, image: str) -> str:
        if source is not None:
            if not is_untouched and place_below(roots[source], image) is not None:
                return image
            place = place_below(manifest.roots[source], image)
            if place is not None:
                return f"{roots[source].rstrip('/')}/{place}"
        below = manifest.roots[source] if source else f"any of {', '.join(roots)}"
        raise PreparationError(f"{path}: {image} does not lie below {below}; build the rows again")

    def with_moved_images(row: dict[str, Any]) -> dict[str, Any]:
        source = manifest.source_of(row["data_source"])
        for image in row["images"]:
            image["image"] = moved(source, image["image"])
        return row

    return rewrite_shard(folder, folder, shard, with_moved_images)


def rewrite_shard(
    folder: Path, out: Path, shard: Shard, changed: Callable[[dict[str, Any]], dict[str, Any]]
) -> Shard:
    """Write a shard with every row changed to a folder, which may be its own.

    Returns:
        The shard with its new hash.

    Raises:
        DataError: The shard is missing.
        PreparationError: It is damaged.
    """
    source, target = shard_path(folder, shard), out / shard.path
    with (
        reading_parquet(source, "training rows"),
        source.open("rb") as opened,
        atomic_write(target) as partial,
    ):
        file = pq.ParquetFile(opened)
        with pq.ParquetWriter(partial, file.schema_arrow, compression="zstd") as writer:
            for batch in file.iter_batches(ROWS_PER_GROUP):
                rows = [changed(row) for row in batch.to_pylist()]
                writer.write_table(pa.Table.from_pylist(rows, schema=file.schema_arrow))
    return replace(shard, sha256=sha256(target))


def place_below(root: str, image: str) -> str | None:
    """Return an image's path relative to a root; None if it is not below it."""
    folder = root.rstrip("/") + "/"
    return image.removeprefix(folder) if image.startswith(folder) else None


def _absolute(root: str) -> str:
    return os.path.abspath(root)  # noqa: PTH100 - a root of another machine, with no links here
