"""Readers: the official layouts -> samples, whatever the dataset and the form of the archive."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from data_prep.sources.archives import open_source
from data_prep.sources.samples import Split
from data_prep.support.errors import ArchiveError
from tests.data_prep import official
from tests.data_prep.sources.reading import read, seen
from unifer_tasks.protocol.labels import FERBENCH, LABEL_SPACES


@pytest.mark.parametrize("dataset", FERBENCH)
def test_every_label_of_every_split_is_read(dataset: str, tmp_path: Path) -> None:
    source = open_source(dataset, official.WRITERS[dataset](tmp_path))
    assert source.not_benchmark is None
    for split in (Split.TRAIN, Split.TEST):
        samples, _ = read(source, split)
        counts = Counter(sample.label for sample in samples)
        if (dataset, split) == ("ferplus", "train"):
            counts["neutral"] -= 1  # the row without a vote
        assert counts == dict.fromkeys(LABEL_SPACES[dataset].labels, 2)
        assert len({sample.id for sample in samples}) == len(samples)
        assert {(sample.dataset, sample.split) for sample in samples} == {(dataset, split)}
        for sample in samples:
            Image.open(io.BytesIO(source.images.read(sample.member))).load()


@pytest.mark.parametrize("form", ["zip", "tar", "tar.gz"])
@pytest.mark.parametrize("dataset", FERBENCH)
def test_an_archive_reads_like_its_folder(dataset: str, form: str, tmp_path: Path) -> None:
    folder = official.WRITERS[dataset](tmp_path / "files", 1)
    archive = official.packed(folder, form)
    assert seen(open_source(dataset, archive)) == seen(open_source(dataset, folder))


@pytest.mark.parametrize(
    ("dataset", "split", "expected"),
    [
        ("rafdb", Split.TEST, "/RAF-DB/aligned/test_0001_aligned.jpg"),
        ("rafdb", Split.TRAIN, "/RAF-DB/aligned/train_00001_aligned.jpg"),
        (
            "sfew",
            Split.TEST,
            "/SFEW-2.0/Val/Val_Aligned_Faces/Angry/Film_val_000000001_00000017.png",
        ),
        ("affectnet", Split.TEST, f"/AffectNet/Manually_Annotated/validation/1/{5001:032x}.jpg"),
    ],
)
def test_ids_are_the_published_pattern(
    dataset: str, split: Split, expected: str, tmp_path: Path
) -> None:
    source = open_source(dataset, official.WRITERS[dataset](tmp_path, 1))
    assert next(sample.id for sample in read(source, split)[0]) == expected


@pytest.mark.parametrize("dataset", FERBENCH)
def test_another_folder_is_rejected_with_the_expected_layout(dataset: str, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(ArchiveError) as caught:
        open_source(dataset, tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_another_dataset_in_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ArchiveError, match="It is empty"):
        open_source("sfew", tmp_path / "empty")
    root = official.write_sfew(tmp_path / "faces", 1)
    with pytest.raises(ArchiveError, match=r"is not RAF-DB: .* It holds SFEW.*: --sfew"):
        open_source("rafdb", root)
