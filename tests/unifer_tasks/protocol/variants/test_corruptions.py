"""Corruptions: fixed by the question, stronger from strength to strength, of any image."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from data_prep.synthetic.faces import paint, sample_face
from tests.conftest import REPOSITORY
from unifer_tasks.protocol.images import IMAGE_SIZE, protocol_image
from unifer_tasks.protocol.variants.corruptions import (
    ALIGNED,
    KINDS,
    STRENGTHS,
    Condition,
    Face,
    condition_of,
    corrupt,
    seed_of,
)

CONDITIONS = [Condition(*each) for each in product(KINDS, STRENGTHS)]
SIZES = {"rafdb": (100, 100), "ferplus": (48, 48), "sfew": (143, 181), "affectnet": (256, 256)}

# Eyes, tip of the nose and corners of the mouth of a small face at the right of its image.
SMALL = (140.0, 60.0, 160.0, 60.0, 150.0, 72.0, 143.0, 82.0, 157.0, 82.0)


def face(size: tuple[int, int] = (100, 100), gray: bool = False, seed: int = 1) -> Image.Image:
    return paint(sample_face("happiness", np.random.default_rng(seed)), size, gray=gray)


def changed(
    image: Image.Image, condition: Condition, landmarks: Sequence[float] | None = None
) -> NDArray[np.int64]:
    """Return by how much each pixel differs from what the base shows."""
    pair = protocol_image(image), corrupt(image, condition, 5, landmarks)
    shown, found = (np.asarray(each, dtype=np.int64) for each in pair)
    difference: NDArray[np.int64] = np.abs(shown - found).sum(axis=2)
    return difference


def psnr(image: Image.Image, condition: Condition) -> float:
    shown, found = (
        np.asarray(each) / 255 for each in (protocol_image(image), corrupt(image, condition, 5))
    )
    return float(-10 * np.log10(((shown - found) ** 2).mean()))


@pytest.mark.parametrize("gray", [False, True], ids=["colour", "grey"])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_each_strength_is_further_from_the_clean_image(
    kind: str, size: tuple[int, int], gray: bool
) -> None:
    ratios = [psnr(face(size, gray), Condition(kind, strength)) for strength in STRENGTHS]
    assert all(weaker > stronger for weaker, stronger in pairwise(ratios))
    assert ratios[0] < 60


@pytest.mark.parametrize("condition", CONDITIONS, ids=str)
@pytest.mark.parametrize(
    "image",
    [
        Image.new("L", (48, 48), 90),
        Image.new("1", (20, 30), 1),
        Image.new("LA", (20, 30), (90, 100)),
        Image.new("RGBA", (30, 20), (200, 120, 90, 0)),
        Image.new("CMYK", (30, 20), (10, 20, 30, 40)),
        face((64, 64)).convert("P"),
        Image.fromarray(np.full((20, 20), 30_000, dtype=np.uint16)),
        Image.new("RGB", (1, 1), "white"),
        Image.new("RGB", (1, 500), "teal"),
        Image.new("RGB", (3000, 40), "teal"),
    ],
    ids=lambda image: f"{image.mode} {image.width}x{image.height}",
)
def test_any_image_is_shown_as_in_the_base(image: Image.Image, condition: Condition) -> None:
    before = image.tobytes()
    found = corrupt(image, condition)
    assert (found.mode, found.size) == ("RGB", IMAGE_SIZE)
    assert image.tobytes() == before


@pytest.mark.parametrize("condition", CONDITIONS, ids=str)
def test_a_grey_image_stays_grey(condition: Condition) -> None:
    for image in (face((48, 48), gray=True), face((48, 48), gray=True).convert("RGB")):
        values = np.asarray(corrupt(image, condition, 5))
        assert (values == values[..., :1]).all()


def test_low_resolution_goes_by_the_pixels_that_an_image_has() -> None:
    condition = Condition("low_resolution", 3)
    rng = np.random.default_rng(0)
    for side, left in ((48, 12), (100, 25), (224, 56), (500, 56)):
        image = Image.fromarray(rng.integers(0, 256, (side, side), dtype=np.uint8))
        small = corrupt(image, condition).resize((left, left), Image.Resampling.BOX)
        again = small.resize(IMAGE_SIZE, Image.Resampling.BICUBIC)
        lost = np.asarray(again, dtype=int) - np.asarray(corrupt(image, condition), dtype=int)
        assert np.abs(lost).mean() < 8
        assert np.abs(lost).mean() < changed(image, condition).mean() / 8


def region(found: NDArray[np.int64]) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero(found)
    return columns.min(), rows.min(), columns.max(), rows.max()


@pytest.mark.parametrize("strength", STRENGTHS)
def test_a_mask_leaves_the_eyes_and_sunglasses_leave_the_mouth(strength: int) -> None:
    image = face()
    masked, shaded = (changed(image, Condition(kind, strength)) for kind in ("mask", "sunglasses"))
    mouth, eyes = np.s_[150:170, 90:134], np.s_[85:97, 62:78]
    assert (masked[mouth] > 0).mean() > 0.9
    assert (shaded[eyes] > 0).mean() > 0.9
    assert not masked[:100].any()
    assert not shaded[150:].any()


@pytest.mark.parametrize("kind", ["mask", "sunglasses"])
def test_landmarks_say_where_the_face_is(kind: str) -> None:
    image = Image.new("RGB", (200, 150), "white")
    for strength in STRENGTHS:
        left, _, right, bottom = region(changed(image, Condition(kind, strength), SMALL))
        # The eyes are between x = 140 and 160 of 200, the mouth at y = 82 of 150.
        assert 224 * 110 / 200 < left < right < 224 * 190 / 200
        assert bottom < 224 * 115 / 150


@pytest.mark.parametrize(
    "landmarks",
    [
        None,
        (),
        (float("nan"),) * 10,
        (0.0,) * 10,
        (5.0, 5.0) * 5,
        tuple(-value for value in SMALL),
        tuple(9 * value for value in SMALL),
        (140.0, 60.0, 160.0, 60.0, 150.0, 72.0, 143.0, 60.0, 157.0, 60.0),
        (140.0, 60.0, 160.0, 60.0, 150.0, 72.0, float("inf"), 82.0, 157.0, 82.0),
    ],
    ids=["none", "empty", "nan", "zeros", "one place", "left of it", "right of it", "flat", "inf"],
)
@pytest.mark.parametrize("kind", ["mask", "sunglasses"])
def test_landmarks_of_no_face_within_the_image_are_not_followed(
    kind: str, landmarks: tuple[float, ...] | None
) -> None:
    image, condition = Image.new("RGB", (200, 150), "white"), Condition(kind, 2)
    assert corrupt(image, condition, 0, landmarks) == corrupt(image, condition)


@given(st.lists(st.floats(width=32), min_size=10, max_size=10), st.sampled_from(CONDITIONS))
def test_no_landmarks_break_an_image(landmarks: list[float], condition: Condition) -> None:
    assert corrupt(Image.new("RGB", (40, 30)), condition, 0, landmarks).size == IMAGE_SIZE


def test_a_face_from_the_side_is_covered_in_its_width() -> None:
    profile = Face((0.48, 0.4), (0.52, 0.4), (0.45, 0.8))
    (left, _), (right, _) = profile.outline([(-0.5, 0), (0.5, 0)], (100, 100))
    assert right - left == pytest.approx(np.hypot(5, 40))
    assert ALIGNED.outline([(0, 1)], (100, 100)) == [pytest.approx((50, 75))]


def test_conditions_are_dealt_evenly_within_every_label() -> None:
    # 500 questions of a label, as AffectNet has.
    for label in range(8):
        ids = [f"/AffectNet/Manually_Annotated/validation/{label}/{n:04}.jpg" for n in range(500)]
        dealt = Counter(condition_of("affectnet", id_, KINDS) for id_ in ids)
        assert dealt.keys() == set(CONDITIONS)
        for kind in KINDS:
            assert 45 < sum(dealt[Condition(kind, strength)] for strength in STRENGTHS) < 100
        for strength in STRENGTHS:
            assert 130 < sum(dealt[Condition(kind, strength)] for kind in KINDS) < 205


@given(st.text(), st.sampled_from(KINDS))
def test_a_kind_alone_has_the_strength_that_it_has_among_all(id_: str, kind: str) -> None:
    among_all, alone = condition_of("sfew", id_, KINDS), condition_of("sfew", id_, (kind,))
    assert alone == Condition(kind, among_all.strength)


DEALT = {
    ("sfew", "a"): Condition("mask", 3),
    ("rafdb", "a"): Condition("jpeg", 2),
    ("rafdb", "/RAF-DB/aligned/test_0001_aligned.jpg"): Condition("low_resolution", 1),
}


@pytest.mark.parametrize("asked", DEALT, ids="-".join)
def test_what_a_question_gets_never_changes(asked: tuple[str, str]) -> None:
    assert condition_of(*asked, KINDS) == DEALT[asked]


_PIXELS = """
import hashlib
from tests.unifer_tasks.protocol.variants.test_corruptions import CONDITIONS, corrupt, face, seed_of
for condition in CONDITIONS:
    pixels = corrupt(face(), condition, seed_of("sfew", "a")).tobytes()
    print(hashlib.sha256(pixels).hexdigest())
"""


def test_a_question_has_the_same_pixels_in_every_process() -> None:
    seed = seed_of("sfew", "a")
    own = [hashlib.sha256(corrupt(face(), each, seed).tobytes()).hexdigest() for each in CONDITIONS]
    assert len(set(own)) == len(own)
    done = subprocess.run(
        [sys.executable, "-c", _PIXELS],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "1"},
    )
    assert done.stdout.split() == own


def test_noise_is_another_for_each_question() -> None:
    image, condition = face(), Condition("noise", 1)
    assert corrupt(image, condition, 1) != corrupt(image, condition, 2)
    assert corrupt(image, condition, 1) == corrupt(image, condition, 1)


def test_the_table_of_the_readme_has_every_kind() -> None:
    text = (REPOSITORY / "unifer_tasks" / "ferbench" / "README.md").read_text(encoding="utf-8")
    table = text.partition("| kind | what is done |")[2].partition("\n\n")[0]
    assert tuple(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == KINDS
