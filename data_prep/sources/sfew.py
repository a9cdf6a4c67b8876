"""SFEW 2.0: frames of films, with the faces that its authors cut out and aligned.

`Train` and `Val` hold class folders; FERBench asks about `Val/Val_Aligned_Faces`. The class
folders directly in `Val` hold whole frames, unless a re-packaging put the aligned faces there,
recognised by their size.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain
from pathlib import PurePosixPath

from PIL import Image

from data_prep.errors import ArchiveError
from data_prep.sources.samples import Sample, Skipped, Source, Split
from data_prep.storage.tree import Tree, join

DATASET = "sfew"

NESTED = ("train", "val", "*_aligned_faces*", "sfew*")
"""Names of archives within the archive to look into; as in `with_nested`."""

LABELS: Mapping[str, str] = {
    "Angry": "angry",
    "Disgust": "disgust",
    "Fear": "fear",
    "Happy": "happy",
    "Neutral": "neutral",
    "Sad": "sad",
    "Surprise": "surprise",
}
"""Class folder -> label."""

FACE_SIZE = (143, 181)
"""Width and height in pixels of the authors' aligned faces."""

_ENDINGS = ("", "_new")
"""Of `Val_Aligned_Faces`: as first handed out, and as the authors call it now."""

_PART = {Split.TRAIN: "Train", Split.TEST: "Val"}


def open_source(tree: Tree) -> Source:
    """Open SFEW 2.0.

    Raises:
        ArchiveError: The tree has no such layout, or whole frames only.
    """
    frames: dict[Split, str] = {}
    faces: dict[Split, str] = {}
    for split, part in _PART.items():
        whole, aligned = tree.find_first(part), _aligned(tree, part)
        if whole is not None:
            frames[split] = whole
        if aligned is not None:
            faces[split] = aligned
        elif whole is not None:
            _check_are_faces(tree, part, whole)
            faces[split] = whole
    if not faces:
        raise ArchiveError(f"{tree.path} is not SFEW 2.0: it holds neither Train/ nor Val/")
    return Source(
        DATASET,
        "aligned faces",
        tree,
        partial(_read, tree, frames, faces),
        tuple(faces),
        None if Split.TEST in faces else f"{tree.path} holds no Val/",
    )


def _aligned(tree: Tree, part: str) -> str | None:
    """Return the folder of a part's aligned faces, the tree itself if it has that name."""
    names = [f"{part}_Aligned_Faces{ending}" for ending in _ENDINGS]
    itself = [""] if tree.path.name.partition(".")[0] in names else []
    places = chain(itself, *map(tree.find, names))
    return next((place for place in places if _has_classes(tree, place)), None)


def _has_classes(tree: Tree, folder: str) -> bool:
    return not LABELS.keys().isdisjoint(tree.folders(folder))


def _check_are_faces(tree: Tree, part: str, folder: str) -> None:
    """Check one image of a class folder.

    Raises:
        ArchiveError: There is none, or it is a whole frame.
    """
    first = next(
        (
            f"{folder}/{name}/{file}"
            for name in LABELS
            for file in tree.files(f"{folder}/{name}")
            if file.endswith(".png")
        ),
        None,
    )
    if first is None:
        raise ArchiveError(f"{tree.path}: {folder}/ has no class folder with PNG files")
    try:
        size = Image.open(io.BytesIO(tree.read(first))).size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise ArchiveError(f"{tree.path}: {first} is not an image") from None
    if size != FACE_SIZE:
        raise ArchiveError(
            f"{tree.path}: {first} is a whole frame ({size[0]} x {size[1]}); unpack the official "
            f"{part}_Aligned_Faces.zip into {folder}/{part}_Aligned_Faces"
        )


def _read(
    tree: Tree, frames: Mapping[Split, str], faces: Mapping[Split, str], split: Split
) -> Iterator[Sample | Skipped]:
    part = _PART[split]
    for name, label in LABELS.items():
        stems = set()
        for file in tree.files(join(faces[split], name)):
            stem = PurePosixPath(file).stem
            if not file.lower().endswith((".png", ".jpg")):
                yield Skipped(DATASET, f"{name}/{file}", "is not an image")
                continue
            stems.add(stem)
            yield Sample(
                DATASET,
                f"/SFEW-2.0/{part}/{part}_Aligned_Faces/{name}/{stem}.png",
                label,
                split,
                join(faces[split], f"{name}/{file}"),
            )
        for file in tree.files(f"{frames[split]}/{name}") if split in frames else ():
            if PurePosixPath(file).stem not in stems and file.lower().endswith((".png", ".jpg")):
                # The authors' own alignment fails on a few frames.
                yield Skipped(DATASET, f"{part}/{name}/{file}", "has no aligned face", by_rule=True)
