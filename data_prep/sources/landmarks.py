"""AffectNet's landmarks, kept where the image is the one that they were measured in.

Copies with cropped or scaled images keep the original list, whose pixels are then places in other
images: a mask would be drawn beside the face. The list's face box shows that, since it must lie
within the image.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from data_prep.errors import ArchiveError
from data_prep.sources.samples import Sample, Skipped
from data_prep.storage.tree import Tree
from unifer_tasks.data.annotations import Annotations

BOX = ("face_x", "face_y", "face_width", "face_height")
POINTS = "facial_landmarks"

# Of the 68 points of a face: both eyes, the tip of the nose, both corners of the mouth.
_N_POINTS = 68
_FIVE = (slice(36, 42), slice(42, 48), slice(30, 31), slice(48, 49), slice(54, 55))

_TOLERANCE = 0.1
"""How far a place may be outside, in shares of a side: a face at the edge of a photograph."""

_MOST = 0.25
"""The share of faces outside of their images above which the images are not those of the list."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a list says that a face is, in pixels; None where it does not say.

    Attributes:
        box: x and y of the upper left corner, width and height.
        landmarks: x and y of five points.
    """

    box: Box | None
    landmarks: tuple[float, ...] | None


def read_place(row: Mapping[str, str]) -> Place:
    """Read the place of a face from a row of the list.

    Args:
        row: `BOX` and `POINTS` ("x;y;x;y;..."), in pixels of the listed file; the box's corner is
            not to be subtracted from the points. A row may lack either.
    """
    points = _numbers(row.get(POINTS, "").split(";"), 2 * _N_POINTS)
    box = _numbers([row.get(name, "") for name in BOX], len(BOX))
    landmarks = None
    if points is not None:
        five = [np.reshape(points, (-1, 2))[each].mean(axis=0) for each in _FIVE]
        landmarks = tuple(np.round(five, 2).ravel().tolist())
    return Place(None if box is None else (box[0], box[1], box[2], box[3]), landmarks)


def _numbers(cells: Sequence[str], n: int) -> list[float] | None:
    try:
        numbers = [float(cell) for cell in cells]
    except ValueError:
        return None
    return numbers if len(numbers) == n and np.isfinite(numbers).all() else None


def with_landmarks(
    tree: Tree, entries: Sequence[tuple[Sample | Skipped, Place | None]]
) -> Iterator[Sample | Skipped]:
    """Yield entries whose samples have landmarks, or the reason why they are left out.

    Args:
        tree: Holds the images.
        entries: All entries of a list, with the places of their faces.
    """
    sizes = [
        _size(tree, entry.member) if isinstance(entry, Sample) and place else None
        for entry, place in entries
    ]
    fit = [
        _is_inside(place.box[:2] + _far_corner(place.box), size)
        for (_, place), size in zip(entries, sizes, strict=True)
        if place and place.box and size
    ]
    n_outside = fit.count(False)
    whole = None
    if n_outside > _MOST * len(fit):
        whole = (
            f"{n_outside:,} of {len(fit):,} face boxes of its list are outside of their images, "
            "which were cropped or scaled; the official ones keep them"
        )
    for (entry, place), size in zip(entries, sizes, strict=True):
        if not isinstance(entry, Sample) or place is None or place.landmarks is None:
            yield entry
        elif reason := whole or _misfit(place, size):
            yield replace(entry, unannotated=f"landmarks: {reason}")
        else:
            yield replace(entry, annotations=Annotations(landmarks=place.landmarks))


def _misfit(place: Place, size: tuple[int, int] | None) -> str | None:
    if size is None:
        # The image is left out as a whole.
        return None
    if place.box and not _is_inside(place.box[:2] + _far_corner(place.box), size):
        return "the face box is outside of the image"
    if place.landmarks and not _is_inside(place.landmarks, size):
        return "they are outside of the image"
    return None


def _far_corner(box: Box) -> tuple[float, float]:
    x, y, width, height = box
    return x + width, y + height


def _is_inside(points: Sequence[float], size: tuple[int, int]) -> bool:
    shares = np.reshape(points, (-1, 2)) / size
    return bool((np.abs(shares - 0.5) <= 0.5 + _TOLERANCE).all())


def _size(tree: Tree, member: str) -> tuple[int, int] | None:
    """Return an image's width and height, from its header; None if it is not an image."""
    try:
        with tree.open(member) as file, Image.open(file) as image:
            return image.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, ArchiveError):
        return None
