"""FERPlus: votes and pixels, in their layouts -> samples."""

from __future__ import annotations

import csv
import io
import shutil
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from data_prep.sources import ferplus
from data_prep.sources.archives import open_source
from data_prep.sources.counts import official_counts
from data_prep.sources.samples import Source, Split
from data_prep.support.errors import ArchiveError
from tests.data_prep import official
from tests.data_prep.sources.reading import read, seen


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("emotion,pixels\n0,1", "has the columns .* and lacks usage"),
        ("emotion,pixels,Usage\n0,1,Training,5", "row 2 has 4 columns, 3 are expected"),
    ],
)
def test_a_broken_pixel_table_names_the_row(text: str, message: str, tmp_path: Path) -> None:
    root = official.write_ferplus(tmp_path, 1)
    (root / "fer2013.csv").write_text(text)
    with pytest.raises(ArchiveError, match=message):
        seen(open_source("ferplus", root))


@pytest.mark.parametrize(
    ("votes", "benchmark", "majority"),
    [
        ([5, 5, 0, 0, 0, 0, 0, 0, 0, 0], "neutral", None),
        ([0, 0, 0, 0, 4, 4, 0, 0, 2, 0], "angry", None),
        ([1, 0, 0, 0, 0, 0, 0, 0, 9, 0], "neutral", None),
        ([0, 0, 0, 0, 0, 0, 0, 0, 0, 10], "neutral", None),
        ([0, 1, 0, 1, 0, 0, 5, 1, 1, 1], "fear", "fear"),
        ([0, 0, 5, 0, 0, 0, 5, 0, 0, 0], "surprise", None),
        ([0, 0, 0, 0, 0, 0, 0, 6, 4, 0], "contempt", "contempt"),
        ([0, 0, 0, 0, 0, 0, 0, 5, 5, 0], "contempt", None),
    ],
)
def test_ferplus_rules(votes: list[int], benchmark: str, majority: str | None) -> None:
    assert ferplus.benchmark_rule(votes) == benchmark
    assert ferplus.majority_rule(votes) == majority


@pytest.mark.parametrize("as_png", [False, True])
def test_ferplus_keeps_votes_and_reports_what_it_leaves_out(tmp_path: Path, as_png: bool) -> None:
    source = open_source("ferplus", official.write_ferplus(tmp_path, as_png=as_png))
    samples, skipped = read(source, Split.TEST)
    assert skipped == []
    by_label = {sample.label: sample for sample in samples}
    assert by_label["happy"].votes == (0, 0, 0, 0, 7, 0, 0, 0)
    assert by_label["happy"].id == f"/FERPlus/test/happy/{by_label['happy'].member[-14:]}"
    (tmp_path / "data/FER2013Test/label.csv").unlink()
    source = open_source("ferplus", tmp_path)
    assert "FER2013Test/label.csv" in str(source.not_benchmark)
    again, skipped = read(source, Split.TEST)
    assert {sample.id for sample in again} == {sample.id for sample in samples}
    assert Counter(entry.reason for entry in skipped) == {
        "has no name: it shows no face": 1,
        "repeats a name; the first row counts": 1,
    }


def test_ferplus_pairs_pixels_by_row_and_keeps_the_first_of_a_name(tmp_path: Path) -> None:
    """Both forms of the same rows give the same pixels, though no name is a row number."""
    table = open_source("ferplus", official.write_ferplus(tmp_path / "csv"))
    folder = open_source("ferplus", official.write_ferplus(tmp_path / "png", as_png=True))

    def pixels(source: Source) -> dict[str, bytes]:
        return {
            sample.id: Image.open(io.BytesIO(source.images.read(sample.member))).tobytes()
            for split in Split
            for sample in read(source, split)[0]
        }

    assert pixels(table) == pixels(folder)


def test_ferplus_majority_rule_is_an_option_and_no_benchmark(tmp_path: Path) -> None:
    root = official.write_ferplus(tmp_path)
    table = root / "data/FER2013Test/label.csv"
    rows = list(csv.reader(io.StringIO(table.read_text())))
    rows[0][2:] = ["5", "5", *["0"] * 8]
    official.write_csv(table, rows)
    source = open_source("ferplus", root, majority=True)
    assert source.not_benchmark == "the majority rule does not give FERBench's labels"
    samples, skipped = read(source, Split.TEST)
    assert [entry.reason for entry in skipped] == ["no emotion has the majority"]
    assert len(samples) == 15


@pytest.mark.parametrize("layout", ["PNG folders", "class folders"])
def test_the_augmented_reupload_is_refused(
    tmp_path: Path, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ferplus, "ORIGINAL_ROWS", dict.fromkeys(Split, 20))
    root = official.write_ferplus(tmp_path, as_png=True)
    faces = root / "data/FER2013Train"
    if layout == "PNG folders":
        for number in range(9):
            shutil.copy(faces / "fer0000003.png", faces / f"fer0000003_{number}.png")
    else:
        (root / "train").mkdir()
        for number in range(21):
            official.put(root / f"train/angry/fer{number}.png", b"")
        shutil.rmtree(root / "data")
        (root / "fer2013new.csv").unlink()
    with pytest.raises(ArchiveError, match="augmented re-upload"):
        open_source("ferplus", root)


def test_ferplus_rows_that_cannot_be_paired_are_named(tmp_path: Path) -> None:
    root = official.write_ferplus(tmp_path, 1)
    lines = (root / "fer2013.csv").read_text().splitlines(keepends=True)
    sample = read(open_source("ferplus", root), Split.TEST)[0][0]

    def complaint(text: str) -> str:
        (root / "fer2013.csv").write_text(text)
        with pytest.raises(ArchiveError) as caught:
            open_source("ferplus", root).images.read(sample.member)
        return str(caught.value)

    assert "differ in length" in complaint("".join(lines[:-1]))
    assert "row 2 does not hold 2304 gray values" in complaint(
        lines[0] + "0,1 2 3,Training\n" + "".join(lines[2:])
    )
    assert "row 2 is of 'PublicTest'" in complaint(
        lines[0] + lines[1].replace("Training", "PublicTest") + "".join(lines[2:])
    )


@pytest.fixture(scope="session")
def whole_ferplus(votes_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Source:
    """Write the real votes of all splits in the official layout, one picture for all faces."""
    path = tmp_path_factory.mktemp("ferplus") / "ferplus.zip"
    return open_source("ferplus", official.write_whole_ferplus(path, votes_folder))


def test_the_benchmarks_ferplus_is_reproduced(whole_ferplus: Source, index_folder: Path) -> None:
    from data_prep.sources.index import read_index

    published = {(question.id, question.target) for question in read_index(index_folder)["ferplus"]}
    samples, skipped = read(whole_ferplus, Split.TEST)
    assert {(sample.id, sample.label) for sample in samples} == published
    assert (len(samples), skipped) == (3573, [])


@pytest.mark.parametrize(("split", "n"), [(Split.TRAIN, 28_558), (Split.VALID, 3_579)])
def test_the_official_ferplus_splits_are_reproduced(
    whole_ferplus: Source, split: Split, n: int
) -> None:
    samples, skipped = read(whole_ferplus, split)
    assert (len(samples), skipped) == (n, [])
    assert Counter(sample.label for sample in samples) == official_counts("ferplus", split)
    assert sum(not any(sample.votes or ()) for sample in samples) == (2 if n > 4000 else 0)
