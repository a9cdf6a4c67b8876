"""The images of the sample browser, from the user's own benchmark folder.

A page that is opened from disk cannot read parquet, so the images are written as small files
into `images/` beside it, or on request into the page. A benchmark's images may not be passed
on; without the folder a page has no images.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps
from tqdm import tqdm

from unifer_tasks.data.contents import checked_path
from unifer_tasks.data.manifest import read_manifest
from unifer_tasks.protocol.images import native_image
from unifer_tasks.support.files import atomic_write

FOLDER = "images"
SIDE = 224
"""The longest side of an image on the page, in pixels; smaller ones stay as they are."""

CHUNK = 64
"""Rows of a dataset that are embedded, and unpacked, together."""

_BATCH = 64


@dataclass(frozen=True, slots=True)
class Gallery:
    """Where the page finds images.

    Attributes:
        paths: Dataset key -> its parquet file.
        folders: Dataset key -> the folder of its images, relative to the page. The name holds
            the hash of the data, so that a file in it is never of other data.
        rows: Dataset key -> id -> the row, for the images that the page shows.
    """

    paths: Mapping[str, Path]
    folders: Mapping[str, str]
    rows: Mapping[str, Mapping[str, int]]


def gallery(data: Path, wanted: Mapping[str, Collection[str]]) -> Gallery:
    """Look up images.

    Args:
        data: A benchmark folder of `unifer-data`.
        wanted: Dataset key -> the ids that the page shows.

    Raises:
        DataError: It is not a benchmark folder, or is damaged.
    """
    import pyarrow.parquet as pq

    manifest = read_manifest(data)
    paths = {
        dataset: checked_path(data, manifest, dataset)
        for dataset in wanted
        if dataset in manifest.datasets
    }
    folders = {
        dataset: f"{FOLDER}/{dataset}-{manifest.datasets[dataset].sha256[:12]}" for dataset in paths
    }
    rows = {}
    for dataset, path in paths.items():
        ids = pq.read_table(path, columns=["id"])["id"].to_pylist()
        shown = frozenset(wanted[dataset])
        rows[dataset] = {id_: row for row, id_ in enumerate(ids) if id_ in shown}
    return Gallery(paths, folders, rows)


def write_pictures(found: Gallery, out: Path) -> list[str]:
    """Write the images beside the page; those that an earlier call wrote stay.

    Returns:
        "DATASET ID" of each image that cannot be decoded.
    """
    unreadable = []
    for dataset, rows in found.rows.items():
        folder = out / found.folders[dataset]
        missing = {id_: row for id_, row in rows.items() if not _file(folder, row).exists()}
        title = f"images of {dataset}"
        for id_, row, encoded in tqdm(
            _encoded(found.paths[dataset], missing), title, len(missing), disable=None
        ):
            try:
                picture = thumbnail(encoded)
            except OSError:
                unreadable.append(f"{dataset} {id_}")
                continue
            with atomic_write(_file(folder, row)) as partial:
                partial.write_bytes(picture)
    return unreadable


def embedded(
    found: Gallery, dataset: str, unreadable: list[str]
) -> Iterator[tuple[int, list[str | None]]]:
    """Yield the images of a dataset for the page itself.

    Args:
        found: Where they are.
        dataset: The dataset's key.
        unreadable: Takes "DATASET ID" of each image that cannot be decoded.

    Yields:
        The number of a chunk, and for each of its rows the JPEG in base64; None where the page
        does not show the row, or it cannot be decoded. Chunks without an image are left out.
    """
    chunk: list[str | None] = []
    number = -1
    rows = found.rows[dataset]
    for id_, row, encoded in tqdm(
        _encoded(found.paths[dataset], rows), f"images of {dataset}", len(rows), disable=None
    ):
        if row // CHUNK != number:
            if any(chunk):
                yield number, chunk
            number, chunk = row // CHUNK, [None] * CHUNK
        try:
            chunk[row % CHUNK] = base64.b64encode(thumbnail(encoded)).decode()
        except OSError:
            unreadable.append(f"{dataset} {id_}")
    if any(chunk):
        yield number, chunk


def thumbnail(encoded: bytes) -> bytes:
    """Return an image as a JPEG of at most `SIDE` pixels a side, upright, without metadata.

    Raises:
        OSError: It cannot be decoded.
    """
    try:
        with Image.open(io.BytesIO(encoded)) as image:
            upright = native_image(ImageOps.exif_transpose(image))
    except (ValueError, SyntaxError, Image.DecompressionBombError) as error:
        # What Pillow raises beside OSError for damaged headers.
        raise OSError(f"cannot be decoded ({error})") from error
    upright.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    jpeg = io.BytesIO()
    upright.save(jpeg, "JPEG", quality=88)
    return jpeg.getvalue()


def _encoded(path: Path, rows: Mapping[str, int]) -> Iterator[tuple[str, int, bytes]]:
    """Yield id, row and encoded image of the wanted rows, in the file's order."""
    import pyarrow.parquet as pq

    wanted = {row: id_ for id_, row in rows.items()}
    if not wanted:
        return
    row = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_BATCH, columns=["image"]):
            for image in batch.column("image"):
                if row in wanted:
                    yield wanted[row], row, image["bytes"].as_py()
                row += 1


def _file(folder: Path, row: int) -> Path:
    return folder / f"{row:05d}.jpg"
