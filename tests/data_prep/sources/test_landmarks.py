"""Where AffectNet's lists say that faces are."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_prep.sources.archives import open_source
from data_prep.sources.samples import Split
from tests.data_prep import official
from tests.data_prep.sources.reading import read
from unifer_tasks.data.annotations import Annotations


def _points(**given: str) -> str:
    points = {str(number): f"{number};{number}.5" for number in range(68)}
    return ";".join({**points, **given}.values())


FIVE = (38.5, 39.0, 44.5, 45.0, 30.0, 30.5, 48.0, 48.5, 54.0, 54.5)
AT_THE_EDGE = (38.5, 39.0, 44.5, 45.0, -4.12, 100.0, 48.0, 48.5, 54.0, 54.5)


@pytest.mark.parametrize(
    ("points", "box", "landmarks", "reason"),
    [
        (_points(), "0,0,96,96", FIVE, None),
        (_points(), "10,10,80,80", FIVE, None),
        (_points(), ",,,", FIVE, None),
        (_points(), "0,0,nan,1", FIVE, None),
        (_points(**{"30": "-4.125;100"}), "0,0,96,96", AT_THE_EDGE, None),
        (_points(**{"30": "-4.125;900"}), "0,0,96,96", None, "they are outside of the image"),
        (_points(**{"30": "nan;1"}), "0,0,96,96", None, None),
        (_points(**{"30": "1;"}), "0,0,96,96", None, None),
        (_points(**{"30": "1"}), "0,0,96,96", None, None),
        ("1;2;3", "0,0,96,96", None, None),
        ("", "0,0,96,96", None, None),
        (_points(), "14,14,96,96", None, "16 of 16 face boxes of its list are outside of their"),
        (_points(), "134,134,899,899", None, "16 of 16 face boxes of its list are outside of"),
        (_points(), "-90,0,96,96", None, "16 of 16 face boxes of its list are outside of their"),
    ],
    ids=[
        "all",
        "with a margin",
        "no box",
        "half a box",
        "at the edge",
        "outside",
        "nan",
        "empty number",
        "one too few",
        "three",
        "none",
        "cropped",
        "scaled",
        "shifted",
    ],
)
def test_affectnet_keeps_where_the_face_is(
    tmp_path: Path, points: str, box: str, landmarks: tuple[float, ...] | None, reason: str | None
) -> None:
    root = official.write_affectnet(tmp_path)
    for path in (root / "Manually_Annotated_file_lists").iterdir():
        text = path.read_text("utf-8-sig").replace("0,0,96,96", box).replace("1;2;3", points)
        path.write_text(text)
    source = open_source("affectnet", root)
    expected = None if landmarks is None else Annotations(landmarks=landmarks)
    samples = read(source, Split.TEST)[0]
    assert {sample.annotations for sample in samples} == {expected}
    for sample in samples:
        assert (reason or "") in (sample.unannotated or "")
        assert (sample.unannotated is None) == (reason is None)
    assert {sample.annotations for sample in read(source, Split.TRAIN)[0]} == {None}


def test_a_face_box_outside_of_one_image_costs_its_landmarks_alone(tmp_path: Path) -> None:
    root = official.write_affectnet(tmp_path)
    path = root / "Manually_Annotated_file_lists/validation.csv"
    text = path.read_text("utf-8-sig").replace("1;2;3", _points())
    path.write_text(text.replace("0,0,96,96", "50,0,96,96", 1))
    samples = read(open_source("affectnet", root), Split.TEST)[0]
    assert [sample.unannotated for sample in samples] == [
        "landmarks: the face box is outside of the image",
        *[None] * 15,
    ]
    assert [sample.annotations is None for sample in samples] == [True, *[False] * 15]
