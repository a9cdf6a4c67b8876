"""RAF-DB: lists and class folders -> samples."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from data_prep.sources.archives import open_source
from data_prep.sources.samples import Skipped, Split
from data_prep.support.errors import ArchiveError
from tests.data_prep import official
from tests.data_prep.sources.reading import read, seen


def test_rafdb_class_folders_read_like_the_list(tmp_path: Path) -> None:
    listed = open_source("rafdb", official.write_rafdb(tmp_path / "list"))
    for tables in (True, False):
        root = official.write_rafdb_folders(tmp_path / f"folders-{tables}", tables=tables)
        source = open_source("rafdb", root)
        for split in source.splits:
            expected = {(sample.id, sample.label) for sample in read(listed, split)[0]}
            samples, skipped = read(source, split)
            assert {(sample.id, sample.label) for sample in samples} == expected
            assert skipped == []


def test_rafdb_reports_faces_that_are_missing_or_not_listed(tmp_path: Path) -> None:
    root = official.write_rafdb(tmp_path / "list")
    (root / "basic/Image/aligned/test_0003_aligned.jpg").unlink()
    _, skipped = read(open_source("rafdb", root), Split.TEST)
    assert skipped == [Skipped("rafdb", "test_0003.jpg", "its aligned face is missing")]
    root = official.write_rafdb_folders(tmp_path / "folders")
    shutil.copy(next((root / "DATASET/test/4").iterdir()), root / "DATASET/test/4/other.jpg")
    _, skipped = read(open_source("rafdb", root), Split.TEST)
    assert [(entry.name, entry.reason) for entry in skipped] == [
        ("DATASET/test/4/other.jpg", "test_labels.csv does not list it")
    ]


@pytest.mark.parametrize("line", ["test_0001.jpg 8", "test_0001.jpg", "test_0001.jpg one"])
def test_a_bad_label_names_file_and_line(tmp_path: Path, line: str) -> None:
    root = official.write_rafdb(tmp_path)
    table = root / "basic/EmoLabel/list_patition_label.txt"
    table.write_text(f"train_00001.jpg 1\n{line}\n")
    with pytest.raises(ArchiveError, match=r"list_patition_label\.txt, line 2: .*none of 1 to 7"):
        list(open_source("rafdb", root).read(Split.TEST))


def in_words(root: Path) -> Path:
    """Name RAF-DB's class folders by words, as some copies do, without their tables."""
    for number, word in enumerate(
        ("Surprise", "fear", "disgust", "happy", "sad", "Angry", "Neutral")
    ):
        for split in ("train", "test"):
            folder = root / "DATASET" / split / str(number + 1)
            folder.rename(folder.with_name(word))
            (root / f"{split}_labels.csv").unlink(missing_ok=True)
    return root


def without_training(root: Path) -> Path:
    shutil.rmtree(root / "DATASET/train")
    return root


@pytest.mark.parametrize("change", [in_words, without_training])
def test_rafdb_class_folders_may_have_words_or_lack_a_split(
    change: Callable[[Path], Path], tmp_path: Path
) -> None:
    expected = seen(open_source("rafdb", official.write_rafdb_folders(tmp_path / "official", 1)))
    source = open_source("rafdb", change(official.write_rafdb_folders(tmp_path / "odd", 1)))
    assert source.not_benchmark is None
    assert seen(source) == [row for row in expected if row[2] in source.splits]


def test_rafdb_faces_of_another_name_are_listed(tmp_path: Path) -> None:
    root = official.write_rafdb_folders(tmp_path, 1, tables=False)
    (root / "DATASET/test/4/face.png").write_bytes(b"")
    _, skipped = read(open_source("rafdb", root), Split.TEST)
    assert skipped == [
        Skipped("rafdb", "DATASET/test/4/face.png", "is not named as RAF-DB names its faces")
    ]
