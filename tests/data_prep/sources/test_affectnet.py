"""AffectNet: lists of the whole release, and numbered images -> samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from data_prep.sources.archives import open_source
from data_prep.sources.samples import Skipped, Split
from data_prep.support.errors import ArchiveError
from tests.data_prep import official
from tests.data_prep.sources.reading import read, seen
from unifer_tasks.protocol.labels import LABEL_SPACES


def test_affectnet_finds_images_whose_extension_was_rewritten(tmp_path: Path) -> None:
    root = official.write_affectnet(tmp_path)
    for path in sorted((root / "Manually_Annotated_Images").rglob("*.JPG")):
        path.rename(path.with_suffix(".jpg"))
    source = open_source("affectnet", root)
    samples, skipped = read(source, Split.TEST)
    assert len(samples) == 16
    assert {sample.id[-4:] for sample in samples} == {".jpg"}
    assert Counter(entry.reason for entry in skipped) == {
        "expression 8 (none) is not a candidate label": 2,
        "expression 9 (uncertain) is not a candidate label": 2,
        "expression 10 (non-face) is not a candidate label": 2,
    }


@pytest.mark.parametrize("write", [official.write_affectnet, official.write_affectnet_numbered])
def test_affectnet_keeps_valence_and_arousal(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    samples, _ = read(open_source("affectnet", write(tmp_path)), Split.TRAIN)
    valence = 0.1 if write is official.write_affectnet else 0.5
    arousal = {-0.25} if write is official.write_affectnet else {-0.25, None, 0.0}
    assert {sample.valence for sample in samples} == {valence}
    # One face of the newer release is not annotated: -2.
    assert {sample.arousal for sample in samples} == arousal


def test_affectnet_names_the_row_of_a_bad_number(tmp_path: Path) -> None:
    root = official.write_affectnet(tmp_path)
    table = root / "Manually_Annotated_file_lists/training.csv"
    table.write_text(table.read_text("utf-8-sig").replace("-0.25", "calm", 1))
    with pytest.raises(
        ArchiveError, match=r"training\.csv, row 2 lacks a number for .* valence or arousal"
    ):
        list(open_source("affectnet", root).read(Split.TRAIN))


def test_affectnet_lists_may_lack_their_header(tmp_path: Path) -> None:
    headed = open_source("affectnet", official.write_affectnet(tmp_path / "headed"))
    bare = open_source("affectnet", official.write_affectnet(tmp_path / "bare", header=False))
    assert seen(bare) == seen(headed)


def test_affectnet_numbered_can_be_trained_on_only(tmp_path: Path) -> None:
    source = open_source("affectnet", official.write_affectnet_numbered(tmp_path))
    assert "cannot be mapped to FERBench's ids" in str(source.not_benchmark)
    samples, _ = read(source, Split.TRAIN)
    assert Counter(sample.label for sample in samples) == dict.fromkeys(
        LABEL_SPACES["affectnet"].labels, 2
    )


def test_affectnet_sets_without_annotations_are_not_read(tmp_path: Path) -> None:
    official.put(tmp_path / "train_set/0/1.jpg", b"")
    with pytest.raises(ArchiveError, match="nor train_set/annotations/ or val_set/annotations/"):
        open_source("affectnet", tmp_path)


def test_affectnet_numbered_counts_images_without_an_annotation(tmp_path: Path) -> None:
    root = official.write_affectnet_numbered(tmp_path, 1)
    (root / "train_set/annotations/1_exp.npy").unlink()
    _, skipped = read(open_source("affectnet", root), Split.TRAIN)
    assert skipped == [Skipped("affectnet", "train_set/images/1.jpg", "has no *_exp.npy")]
