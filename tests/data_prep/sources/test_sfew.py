"""SFEW: aligned faces, beside the frames or alone -> samples."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from data_prep.sources.archives import open_source
from data_prep.sources.samples import Skipped, Split
from data_prep.support.errors import ArchiveError
from tests.data_prep import official
from tests.data_prep.sources.reading import read, seen


def test_sfew_reports_frames_without_a_face_and_refuses_frames_alone(tmp_path: Path) -> None:
    root = official.write_sfew(tmp_path)
    samples, skipped = read(open_source("sfew", root), Split.TEST)
    assert len(samples) == 14
    assert skipped == [
        Skipped(
            "sfew", "Val/Fear/NoFace_000000001_00000001.png", "has no aligned face", by_rule=True
        )
    ]
    shutil.rmtree(root / "Val/Val_Aligned_Faces")
    with pytest.raises(ArchiveError, match=r"whole frame \(72 x 58\); unpack"):
        open_source("sfew", root)


def test_sfew_lists_a_class_folder_that_has_another_name(tmp_path: Path) -> None:
    faces = official.write_sfew(tmp_path) / "Val/Val_Aligned_Faces"
    (faces / "Happy").rename(faces / "Happiness")
    samples, skipped = read(open_source("sfew", tmp_path), Split.TEST)
    assert "happy" not in {sample.label for sample in samples}
    assert Skipped("sfew", "Val/Happy/", "is not there, under this name") in skipped


def test_sfew_faces_may_lie_beside_the_frames_or_alone(tmp_path: Path) -> None:
    root = official.write_sfew(tmp_path)
    expected = seen(open_source("sfew", root))
    for part in ("Train", "Val"):
        (root / part / f"{part}_Aligned_Faces").rename(root / f"{part}_Aligned_Faces")
    assert seen(open_source("sfew", root)) == expected
    for part in ("Train", "Val"):
        shutil.rmtree(root / part)
    assert seen(open_source("sfew", root)) == expected


@pytest.mark.parametrize("ending", ["", "_new"])
@pytest.mark.parametrize("form", ["folder", "zip", "zip without folder"])
def test_sfew_faces_alone_have_either_name(tmp_path: Path, form: str, ending: str) -> None:
    """As the authors hand them out, one zip a part, and as people unpack it."""
    root = official.write_sfew(tmp_path / "files", 1)
    expected = [row for row in seen(open_source("sfew", root)) if row[2] == "test"]
    (tmp_path / "mine").mkdir()
    faces = tmp_path / f"mine/Val_Aligned_Faces{ending}"
    shutil.copytree(root / "Val/Val_Aligned_Faces", faces)
    if form != "folder":
        faces = official.pack_away(faces, "zip", below=form == "zip")
    for path in (faces, tmp_path / "mine"):
        source = open_source("sfew", path)
        assert (source.splits, source.not_benchmark) == ((Split.TEST,), None)
        assert seen(source) == expected
    # Beside a part that was unpacked.
    shutil.copytree(root / "Train", tmp_path / "mine/Train")
    assert seen(open_source("sfew", tmp_path / "mine")) == seen(open_source("sfew", root))


def test_sfew_faces_directly_in_class_folders_are_taken(tmp_path: Path) -> None:
    root = official.write_sfew(tmp_path)
    expected = seen(open_source("sfew", root))
    for part in ("Train", "Val"):
        for name in ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise"):
            shutil.rmtree(root / part / name)
            (root / part / f"{part}_Aligned_Faces" / name).rename(root / part / name)
        (root / part / f"{part}_Aligned_Faces").rmdir()
    assert seen(open_source("sfew", root)) == expected
