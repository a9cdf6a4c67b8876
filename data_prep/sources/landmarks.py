"""AffectNet's landmarks, kept where the image is the one that they were measured in.

Copies with cropped or scaled images keep the original list, whose pixels are then places in other
images: a mask would be drawn beside the face. The list's face box shows that, since it must lie
within the image:

- It may exceed the image by 10 % of a side, as that of a face at the edge of a photograph does. An
  image whose box exceeds it by more loses its landmarks.
- Where more than 25 % of the boxes do, every image does: some boxes of a cropped or scaled copy fit
  by chance, while wrong rows of the list are single ones.

Both limits are chosen, not measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from data_prep.sources.samples import Sample, Skipped
from data_prep.support.images import image_size
from data_prep.support.tree import Tree
from unifer_tasks.data.annotations import Annotations

BOX = ("face_x", "face_y", "face_width", "face_height")
POINTS = "facial_landmarks"

# Of the 68 points of a face: both eyes, the tip of the nose, both corners of the mouth.
_N_POINTS = 68
_FIVE = (slice(36, 42), slice(42, 48), slice(30, 31), slice(48, 49), slice(54, 55))

_TOLERANCE = 0.1
"""How far a place may be outside of its image, in shares of a side."""

_MAX_OUTSIDE = 0.25
"""The share of boxes outside of their images above which the images are not those of the list."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a list says that a face is, in pixels, x and y of each point; None where it does not.

    Attributes:
        box: The upper left and the lower right corner of the face box.
        landmarks: Five points.
    """

    box: tuple[float, ...] | None
    landmarks: tuple[float, ...] | None


def read_place(row: Mapping[str, str]) -> Place:
    """Read the place of a face from a row of the list.

    Args:
        row: `BOX` and `POINTS` ("x;y;x;y;..."), in pixels of the listed file; the box's corner is
            not to be subtracted from the points. A row may lack either.
    """
    box = _numbers([row.get(name, "") for name in BOX], len(BOX))
    points = _numbers(row.get(POINTS, "").split(";"), 2 * _N_POINTS)
    corners = landmarks = None
    if box is not None:
        x, y, width, height = box
        corners = (x, y, x + width, y + height)
    if points is not None:
        five = [np.reshape(points, (-1, 2))[each].mean(axis=0) for each in _FIVE]
        landmarks = tuple(np.round(five, 2).ravel().tolist())
    return Place(corners, landmarks)


def _numbers(cells: Sequence[str], n: int) -> list[float] | None:
    try:
        numbers = [float(cell) for cell in cells]
    except ValueError:
        return None
    return numbers if len(numbers) == n and np.isfinite(numbers).all() else None


def with_landmarks(
    tree: Tree, entries: Sequence[tuple[Sample | Skipped, Place | None]]
) -> Iterator[Sample | Skipped]:
    """Yield all entries of a list, whose samples have landmarks or the reason why they do not."""
    sizes = [
        image_size(tree, entry.member) if isinstance(entry, Sample) and place else None
        for entry, place in entries
    ]
    are_inside = [
        _are_inside(place.box, size)
        for (_, place), size in zip(entries, sizes, strict=True)
        if place and place.box and size
    ]
    n_outside = are_inside.count(False)
    of_all = None
    if n_outside > _MAX_OUTSIDE * len(are_inside):
        of_all = (
            f"{n_outside:,} of {len(are_inside):,} face boxes of its list are outside of their "
            "images, which were cropped or scaled; the official ones keep them"
        )
    for (entry, place), size in zip(entries, sizes, strict=True):
        if not isinstance(entry, Sample) or place is None or place.landmarks is None:
            yield entry
        elif reason := of_all or _misfit(place, size):
            yield replace(entry, unannotated=f"landmarks: {reason}")
        else:
            yield replace(entry, annotations=Annotations(landmarks=place.landmarks))


def _misfit(place: Place, size: tuple[int, int] | None) -> str | None:
    """Return why landmarks are not those of an image; None if they may be, or it has no size."""
    if size and place.box and not _are_inside(place.box, size):
        return "the face box is outside of the image"
    if size and place.landmarks and not _are_inside(place.landmarks, size):
        return "they are outside of the image"
    return None


def _are_inside(points: Sequence[float], size: tuple[int, int]) -> bool:
    shares = np.reshape(points, (-1, 2)) / size
    return bool((np.abs(shares - 0.5) <= 0.5 + _TOLERANCE).all())
