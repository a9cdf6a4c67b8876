"""The images of the sample browser, from the user's own benchmark folder.

A page that is opened from disk cannot read parquet, so the images are written as small files
into `images/` beside it, or on request into the page. A benchmark's images may not be passed
on; without the folder a page has no images. Runs that saw corrupted images have their own.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageOps
from tqdm import tqdm

from unifer_tasks.data.contents import checked_path
from unifer_tasks.data.manifest import read_manifest
from unifer_tasks.protocol.images import native_image
from unifer_tasks.protocol.variants.corruptions import condition_of, corrupt, seed_of
from unifer_tasks.protocol.variants.listed import BASE, VARIANTS, Variant
from unifer_tasks.support.files import atomic_write

FOLDER = "images"
SIDE = 224
"""The longest side of an image on the page, in pixels; smaller ones stay as they are."""

CHUNK = 64
"""Rows of a dataset that are embedded, and unpacked, together."""

_BATCH = 64


@dataclass(frozen=True, slots=True)
class Gallery:
    """The images of a page.

    Attributes:
        paths: View (`view_of`) -> the parquet file of its dataset.
        folders: View -> the folder of its images, relative to the page. The name holds the hash
            of the data, so images of different data are never mixed.
        rows: View -> id -> the row, for the images that the page shows.
    """

    paths: Mapping[str, Path]
    folders: Mapping[str, str]
    rows: Mapping[str, Mapping[str, int]]


class _Stored(NamedTuple):
    """An image of the data: its question's id, its row, its file and where its face is."""

    id: str
    row: int
    encoded: bytes
    landmarks: Sequence[float] | None


def view_of(dataset: str, variant: Variant = BASE) -> str:
    """Return the name of a dataset's images as the runs of a variant have them on the page."""
    return f"{dataset}.{variant.key}" if variant.corrupts else dataset


def _dataset(view: str) -> str:
    return view.partition(".")[0]


def gallery(data: Path, wanted: Mapping[str, Collection[str]]) -> Gallery:
    """Look up images.

    Args:
        data: A benchmark folder of `unifer-data`.
        wanted: View (`view_of`) -> the ids that the page shows.

    Raises:
        DataError: It is not a benchmark folder, or is damaged.
    """
    import pyarrow.parquet as pq

    manifest = read_manifest(data)
    paths = {
        view: checked_path(data, manifest, _dataset(view))
        for view in wanted
        if _dataset(view) in manifest.datasets
    }
    folders = {
        view: f"{FOLDER}/{view}-{manifest.datasets[_dataset(view)].sha256[:12]}" for view in paths
    }
    rows = {}
    for view, path in paths.items():
        ids = pq.read_table(path, columns=["id"])["id"].to_pylist()
        shown = frozenset(wanted[view])
        rows[view] = {id_: row for row, id_ in enumerate(ids) if id_ in shown}
    return Gallery(paths, folders, rows)


def write_pictures(found: Gallery, out: Path) -> list[str]:
    """Write the images beside the page; those that an earlier call wrote stay.

    Returns:
        "DATASET ID" of each image that cannot be decoded, once for each view that it is in.
    """
    unreadable = []
    for view, rows in found.rows.items():
        folder = out / found.folders[view]
        missing = {id_: row for id_, row in rows.items() if not _file(folder, row).exists()}
        title = f"images of {view}"
        for stored in tqdm(_stored(found.paths[view], missing), title, len(missing), disable=None):
            try:
                picture = _shown(stored, view)
            except OSError:
                unreadable.append(f"{_dataset(view)} {stored.id}")
                continue
            with atomic_write(_file(folder, stored.row)) as partial_file:
                partial_file.write_bytes(picture)
    return unreadable


def embedded(
    found: Gallery, view: str, unreadable: list[str]
) -> Iterator[tuple[int, list[str | None]]]:
    """Yield the images of a view for the page itself.

    Args:
        found: Where they are.
        view: Its name.
        unreadable: Takes "DATASET ID" of each image that cannot be decoded.

    Yields:
        The number of a chunk, and for each of its rows the JPEG in base64; None where the page
        does not show the row, or it cannot be decoded. Chunks without an image are left out.
    """
    chunk: list[str | None] = []
    number = -1
    rows = found.rows[view]
    for stored in tqdm(
        _stored(found.paths[view], rows), f"images of {view}", len(rows), disable=None
    ):
        if stored.row // CHUNK != number:
            if any(chunk):
                yield number, chunk
            number, chunk = stored.row // CHUNK, [None] * CHUNK
        try:
            chunk[stored.row % CHUNK] = base64.b64encode(_shown(stored, view)).decode()
        except OSError:
            unreadable.append(f"{_dataset(view)} {stored.id}")
    if any(chunk):
        yield number, chunk


def _shown(stored: _Stored, view: str) -> bytes:
    """Return an image of a view as a JPEG.

    Raises:
        OSError: It cannot be decoded.
    """
    dataset, _, key = view.partition(".")
    if not key:
        return thumbnail(stored.encoded)
    asked = dataset, stored.id
    condition = condition_of(*asked, VARIANTS[key].corrupts)
    return thumbnail(
        stored.encoded,
        partial(corrupt, condition=condition, seed=seed_of(*asked), landmarks=stored.landmarks),
    )


def thumbnail(encoded: bytes, show: Callable[[Image.Image], Image.Image] = native_image) -> bytes:
    """Return an image as a JPEG of at most `SIDE` pixels a side, upright, without metadata.

    Args:
        encoded: The image's file.
        show: What is done to it beforehand; it makes the image RGB.

    Raises:
        OSError: It cannot be decoded.
    """
    try:
        with Image.open(io.BytesIO(encoded)) as image:
            upright = show(ImageOps.exif_transpose(image))
    except (ValueError, SyntaxError, Image.DecompressionBombError) as error:
        # What Pillow raises beside OSError for damaged headers.
        raise OSError(f"cannot be decoded ({error})") from error
    upright.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    jpeg = io.BytesIO()
    upright.save(jpeg, "JPEG", quality=88)
    return jpeg.getvalue()


def _stored(path: Path, rows: Mapping[str, int]) -> Iterator[_Stored]:
    """Yield the wanted rows of a dataset, in the file's order."""
    import pyarrow.parquet as pq

    wanted = {row: id_ for id_, row in rows.items()}
    if not wanted:
        return
    row = 0
    with pq.ParquetFile(path) as file:
        columns = [name for name in ("image", "landmarks") if name in file.schema_arrow.names]
        for batch in file.iter_batches(_BATCH, columns=columns):
            for place in range(len(batch)):
                if row in wanted:
                    (values,) = batch.slice(place, 1).to_pylist()
                    encoded = values["image"]["bytes"]
                    yield _Stored(wanted[row], row, encoded, values.get("landmarks"))
                row += 1


def _file(folder: Path, row: int) -> Path:
    return folder / f"{row:05d}.jpg"
