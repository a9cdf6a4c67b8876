"""SFEW 2.0: film frames, with the faces that its authors cropped and aligned.

`Train` and `Val` hold class folders; FERBench asks about `Val/Val_Aligned_Faces`. The class
folders directly in `Val` hold whole frames, unless a repackaged copy has the aligned faces there,
which are recognised by their size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import PurePosixPath

from data_prep.sources.samples import Sample, Skipped, Source, Split
from data_prep.support.errors import ArchiveError, UnknownLayoutError
from data_prep.support.images import image_size
from data_prep.support.tree import Tree, is_image

DATASET = "sfew"

NESTED = ("train", "val", "*_aligned_faces*", "sfew*")
"""Names of nested archives to open; as in `with_nested`."""

LABELS: Mapping[str, str] = {
    label.title(): label
    for label in ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
}
"""Class folder -> label."""

FACE_SIZE = (143, 181)
"""Width and height in pixels of the authors' aligned faces."""

_ENDINGS = ("", "_new")
"""Endings of `Val_Aligned_Faces`: as first released, and as the authors name it now."""

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
        raise UnknownLayoutError(f"{tree.path} is not SFEW 2.0: it holds neither Train/ nor Val/")
    return Source(
        DATASET,
        "aligned faces",
        tree,
        partial(_read, tree, frames, faces),
        tuple(faces),
        None if Split.TEST in faces else f"{tree.path} holds no Val/",
    )


def _aligned(tree: Tree, part: str) -> str | None:
    """Return the folder of a part's aligned faces, or the root of a tree of that name."""
    names = [f"{part}_Aligned_Faces{ending}" for ending in _ENDINGS]
    own = tree.path.name.partition(".")[0].lower()
    itself = [""] if own in map(str.lower, names) else []
    places = chain(itself, *map(tree.find, names))
    return next((place for place in places if _has_classes(tree, place)), None)


def _has_classes(tree: Tree, folder: str) -> bool:
    return any(tree.find_in(folder, name) for name in LABELS)


def _files(tree: Tree, folder: str, name: str) -> Sequence[str]:
    """Return the paths of the files of a class, images or not."""
    place = tree.find_in(folder, name)
    return [] if place is None else [f"{place}/{file}" for file in tree.files(place)]


def _check_are_faces(tree: Tree, part: str, folder: str) -> None:
    """Check one image of a class folder.

    Raises:
        ArchiveError: There is no image, or it is a whole frame.
    """
    files = chain.from_iterable(_files(tree, folder, name) for name in LABELS)
    first = next(filter(is_image, files), None)
    if first is None:
        raise ArchiveError(f"{tree.path}: {folder}/ has no class folder with PNG files")
    size = image_size(tree, first)
    if size is None:
        raise ArchiveError(f"{tree.path}: {first} is not an image")
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
        if tree.find_in(faces[split], name) is None:
            yield Skipped(DATASET, f"{part}/{name}/", "is not there, under this name")
            continue
        stems = set()
        for file in _files(tree, faces[split], name):
            path = PurePosixPath(file)
            if not is_image(file):
                yield Skipped(DATASET, f"{name}/{path.name}", "is not an image")
                continue
            stems.add(path.stem.lower())
            published = f"/SFEW-2.0/{part}/{part}_Aligned_Faces/{name}/{path.stem}.png"
            yield Sample(DATASET, published, label, split, file)
        for file in _files(tree, frames[split], name) if split in frames else ():
            path = PurePosixPath(file)
            if path.stem.lower() not in stems and is_image(file):
                # The authors' own alignment fails on a few frames.
                shown = f"{part}/{name}/{path.name}"
                yield Skipped(DATASET, shown, "has no aligned face", by_rule=True)
