"""Synthetic faces: reproducible pixels, units that act where they should, separable classes."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from data_prep.synthetic.faces import (
    ActionUnits,
    Face,
    contact_sheet,
    draw,
    paint,
    sample_action_units,
    sample_face,
)
from data_prep.synthetic.faces.face import Camera, Pose
from unifer_tasks.protocol.action_units import AU_NAMES, PROTOTYPES
from unifer_tasks.protocol.labels import CANONICAL_LABELS

REPOSITORY = Path(__file__).parents[3]

# With the frontal pose below, a picture of this side has 100 pixels per face unit and the
# head's centre in its middle.
SIDE = 226
PIXELS_PER_UNIT = 100

labels = st.sampled_from(CANONICAL_LABELS)
seeds = st.integers(0, 2**32)
fast = settings(deadline=None, max_examples=80)


def generator(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def frontal_face(seed: int = 0) -> Face:
    """Return a resting face that looks straight into a perfect camera, without glasses or beard."""
    face = sample_face("neutral", generator(seed))
    return replace(
        face,
        identity=replace(face.identity, glasses=None, beard=0.0, headwear="none", age=0.2),
        action_units=ActionUnits({}),
        pose=Pose(roll=0.0, yaw=0.0, pitch=0.0, zoom=1.0, shift=(0.0, 0.0)),
        camera=Camera(blur=0.0, noise=0.0, exposure=1.0, noise_seed=0),
    )


def change(face: Face, units: ActionUnits) -> NDArray[np.float64]:
    """Return the absolute change of every pixel when the units act."""
    rest = np.asarray(paint(face, SIDE, gray=True), dtype=float)
    moved = np.asarray(paint(replace(face, action_units=units), SIDE, gray=True), dtype=float)
    difference: NDArray[np.float64] = np.abs(moved - rest)
    return difference


def share_within(image: NDArray[np.float64], top: float, bottom: float) -> float:
    """Return the share of an image's sum between two heights of the face, face units."""
    rows = np.array([top, bottom]) * PIXELS_PER_UNIT + SIDE / 2
    first, last = rows.clip(0, SIDE).astype(int)
    return float(image[first:last].sum() / image.sum())


UPPER = (-1.1, 0.20)  # brows, eyes and the cheek's upper edge
MIDDLE = (-0.30, 0.45)  # from the root of the nose to its base
LOWER = (0.10, 1.2)
REGION: Mapping[int, tuple[float, float]] = {
    **dict.fromkeys((1, 2, 4, 5, 6, 7), UPPER),
    9: MIDDLE,
    **dict.fromkeys((10, 12, 14, 15, 16, 17, 20, 23, 25, 26), LOWER),
}


def test_every_unit_has_a_region() -> None:
    assert set(REGION) == set(AU_NAMES)


@pytest.mark.parametrize("unit", AU_NAMES)
def test_unit_moves_its_region(unit: int) -> None:
    for seed in range(3):
        changed = change(frontal_face(seed), ActionUnits({unit: 1.0}))
        assert (changed > 12).sum() > 150, "too little of the face moves"
        assert share_within(changed, *REGION[unit]) > 0.6


@pytest.mark.parametrize("unit", AU_NAMES)
def test_stronger_unit_moves_more(unit: int) -> None:
    face = frontal_face()
    weak, strong = (change(face, ActionUnits({unit: value})).sum() for value in (0.3, 1.0))
    assert strong > 1.3 * weak


@pytest.mark.parametrize(("side", "moved", "still"), [("left", 1, 0), ("right", 0, 1)])
@pytest.mark.parametrize("unit", [12, 14])
def test_one_sided_unit_moves_one_side(unit: int, side: str, moved: int, still: int) -> None:
    # The person's left is on the right of the picture.
    changed = change(frontal_face(), ActionUnits({unit: 1.0}, side=side))  # type: ignore[arg-type]
    halves = changed[:, : SIDE // 2].sum(), changed[:, SIDE // 2 :].sum()
    assert halves[moved] > 3 * halves[still]


def test_units_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown action units \[3\]"):
        ActionUnits({3: 0.5})


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_intensities_out_of_range_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"outside \[0, 1\]"):
        ActionUnits({12: value})


def test_unknown_label_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown label .happy.; known: .*happiness"):
        sample_action_units("happy", generator(0))


@fast
@given(label=labels, seed=seeds)
def test_sampled_units_are_intensities_of_the_class(label: str, seed: int) -> None:
    units = sample_action_units(label, generator(seed))
    assert all(0 <= value <= 1 for value in units.intensity.values())
    assert (units.side == "both") == (label != "contempt")
    prototype = PROTOTYPES[label]
    weak = [unit for unit in prototype if units[unit] < 0.5 and (label, unit) != ("fear", 26)]
    assert len(weak) <= 1
    assert len(prototype) - len(weak) >= min(len(prototype), 1)


@fast
@given(seed=seeds)
def test_neutral_is_weak(seed: int) -> None:
    units = sample_action_units("neutral", generator(seed))
    assert max(units.intensity.values()) < 0.15


@fast
@given(seed=seeds)
def test_contempt_pulls_one_corner(seed: int) -> None:
    units = sample_action_units("contempt", generator(seed))
    assert sorted((units.on(12, -1) > 0.5, units.on(12, +1) > 0.5)) == [False, True]
    assert sorted((units.on(14, -1) > 0.5, units.on(14, +1) > 0.5)) == [False, True]


@fast
@given(first=labels, second=labels, seed=seeds)
def test_identity_and_picture_do_not_depend_on_the_label(
    first: str, second: str, seed: int
) -> None:
    one, other = sample_face(first, generator(seed)), sample_face(second, generator(seed))
    assert replace(one, action_units=other.action_units) == other


def test_same_seed_gives_the_same_bytes_in_any_order() -> None:
    first, face = draw("fear", (3, 1), 64)
    draw("anger", (3, 2), 64)
    again, same_face = draw("fear", (3, 1), 64)
    assert first.tobytes() == again.tobytes()
    assert face == same_face
    assert first.tobytes() != draw("fear", (3, 2), 64)[0].tobytes()
    assert first.tobytes() == paint(face, 64).tobytes()


def test_same_seed_gives_the_same_bytes_in_another_process() -> None:
    code = (
        "import hashlib; from data_prep.synthetic.faces import draw;"
        "print(hashlib.sha256(draw('disgust', 5, 48)[0].tobytes()).hexdigest())"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    here = hashlib.sha256(draw("disgust", 5, 48)[0].tobytes()).hexdigest()
    assert run.stdout.strip() == here


@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize("size", [32, 48, 100, (143, 181), 224, (1024, 40)])
def test_picture_has_the_requested_size_and_mode(size: int | tuple[int, int], gray: bool) -> None:
    picture = paint(frontal_face(), size, gray=gray)
    assert picture.size == (size if isinstance(size, tuple) else (size, size))
    assert picture.mode == ("L" if gray else "RGB")


@pytest.mark.parametrize("size", [31, 1025, (31, 100), (100, 1025), 0])
def test_sizes_out_of_range_are_refused(size: int | tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="outside 32 to 1024"):
        paint(frontal_face(), size)


def test_small_picture_is_the_large_one_reduced() -> None:
    face = frontal_face()
    small = np.asarray(paint(face, 56, gray=True), dtype=float)
    large = np.asarray(paint(face, 224, gray=True).reduce(4), dtype=float)
    assert np.abs(small - large).mean() < 4


def test_every_identity_can_be_painted() -> None:
    faces = [sample_face("surprise", generator(1, seed)) for seed in range(60)]
    assert len({face.identity.hair_style for face in faces}) > 8
    assert {face.identity.headwear for face in faces} == {"none", "headscarf", "beanie"}
    for face in faces:
        assert np.asarray(paint(face, 48, gray=True)).std() > 10


def test_classes_can_be_told_apart_by_their_pixels() -> None:
    """One person's expressions at 48 pixels fall near the mean picture of their class."""
    person = frontal_face(4)

    def picture(label: str, seed: int) -> NDArray[np.float64]:
        units = sample_action_units(label, generator(seed))
        return np.asarray(paint(replace(person, action_units=units), 48, gray=True), dtype=float)

    means = np.stack(
        [np.mean([picture(label, seed) for seed in range(12)], axis=0) for label in PROTOTYPES]
    )
    hits = [
        np.square(means - picture(label, seed)).sum(axis=(1, 2)).argmin() == row
        for row, label in enumerate(PROTOTYPES)
        for seed in range(100, 106)
    ]
    assert np.mean(hits) > 0.8


def test_contact_sheet_has_a_row_for_each_expression() -> None:
    sheet = contact_sheet(columns=2, size=40)
    assert sheet.mode == "RGB"
    assert sheet.height == 40 * len(CANONICAL_LABELS)
    assert sheet.width > 80
