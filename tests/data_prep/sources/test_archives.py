"""Readers: the official layouts with their pitfalls -> samples."""

from __future__ import annotations

import csv
import io
import os
import shutil
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_prep.sources import ferplus
from data_prep.sources.archives import open_source
from data_prep.sources.counts import official_counts
from data_prep.sources.samples import Sample, Skipped, Source, Split
from data_prep.support.errors import ArchiveError
from data_prep.support.packed import open_tree
from tests.data_prep import official
from unifer_tasks.data.annotations import Annotations
from unifer_tasks.protocol.labels import FERBENCH, LABEL_SPACES


def read(source: Source, split: Split) -> tuple[list[Sample], list[Skipped]]:
    entries = list(source.read(split))
    samples = [entry for entry in entries if isinstance(entry, Sample)]
    return samples, [entry for entry in entries if isinstance(entry, Skipped)]


Seen = tuple[str, str, str, bytes, Annotations | None, float | None, float | None]


def seen(source: Source) -> list[Seen]:
    return [
        (
            sample.id,
            sample.label,
            sample.split,
            source.images.read(sample.member),
            sample.annotations,
            sample.valence,
            sample.arousal,
        )
        for split in source.splits
        for sample in read(source, split)[0]
    ]


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


RAFDB_LIST = "basic/EmoLabel/list_patition_label.txt"
RAFDB_TABLE = "test_labels.csv"
AFFECTNET_LIST = "Manually_Annotated_file_lists/training.csv"
AFFECTNET_HEAD = official.AFFECTNET_COLUMNS
FERPLUS_LIST = "data/FER2013Test/label.csv"
FERPLUS_NEW = "fer2013new.csv"
LONG = "9" * 5000

BROKEN_LISTS = [
    ("rafdb", RAFDB_LIST, "test_0001.jpg 5 3", "line 1 has 3 columns"),
    ("rafdb", RAFDB_LIST, f"test_0001.jpg {LONG}", "line 1: label '999"),
    ("rafdb", RAFDB_LIST, "test_0001.jpg ٣", "none of 1 to 7"),
    ("rafdb", RAFDB_LIST, "test_0001.jpg 3\n".encode("utf-16"), "not UTF-8"),
    ("rafdb", RAFDB_LIST, "x" * (2**20 + 1), "longer than any list"),
    (
        "rafdb-folders",
        RAFDB_TABLE,
        "image,label\na.jpg,1,2",
        "row 2 has 3 columns, 2 are expected",
    ),
    ("rafdb-folders", RAFDB_TABLE, "name,label\na.jpg,1", "and lacks image"),
    (
        "rafdb-folders",
        RAFDB_TABLE,
        f"image,label\n{'x' * 140_000},1",
        "field larger than field limit",
    ),
    ("ferplus", FERPLUS_LIST, 'a.png,"(0, 0, 48, 48)",1,2,3,4,5,6,7,8,9,0,1', "no 10 vote columns"),
    ("ferplus", FERPLUS_LIST, "a.png,9,1,2,3,4,5,6,7,8,9,0", "no 10 vote columns"),
    ("ferplus", FERPLUS_LIST, "a.png,inf,2,3,4,5,6,7,8,9,0", "not counts of people"),
    ("ferplus", FERPLUS_LIST, "a.png,nan,2,3,4,5,6,7,8,9,0", "not counts of people"),
    ("ferplus", FERPLUS_LIST, "a.png,-7,2,3,4,5,6,7,8,9,0", "not counts of people"),
    ("ferplus", FERPLUS_LIST, "a.png,7.5,2,3,4,5,6,7,8,9,0", "not counts of people"),
    ("ferplus", FERPLUS_LIST, "a.png,1e30,2,3,4,5,6,7,8,9,0", "not counts of people"),
    ("ferplus", FERPLUS_LIST, 'a.png;"(0, 0, 48, 48)";1;2;3;4;5;6;7;8;9;0', "has semicolons"),
    ("affectnet", AFFECTNET_LIST, AFFECTNET_HEAD.replace(",", ";"), "has semicolons"),
    ("ferplus-new", FERPLUS_NEW, "Usage,Image name,fear,neutral", "has the columns"),
    ("affectnet", AFFECTNET_LIST, f"{AFFECTNET_HEAD}\na/b.jpg,0,0,9,9,1,11,0,0", "none of 0 to 10"),
    ("affectnet", AFFECTNET_LIST, f"{AFFECTNET_HEAD}\na/b.jpg,0,0,9,9,1,-1,0,0", "none of 0 to 10"),
    (
        "affectnet",
        AFFECTNET_LIST,
        f"{AFFECTNET_HEAD}\na/b.jpg,0,0,9,9,1,{LONG},0,0",
        "lacks a number",
    ),
    ("affectnet", AFFECTNET_LIST, f"{AFFECTNET_HEAD}\na/b.jpg,0,0,9,9,1,1,0,0,5", "row 2 has 10"),
    ("affectnet", AFFECTNET_LIST, "a/b.jpg,7,0,0,9,9,1,1,0,0", "has 10 columns, 9 are expected"),
    ("affectnet-numbered", "train_set/annotations/1_exp.npy", np.array("nan"), "none of 0 to 10"),
    ("affectnet-numbered", "train_set/annotations/1_exp.npy", np.array(7.5), "none of 0 to 10"),
    (
        "affectnet-numbered",
        "train_set/annotations/1_exp.npy",
        np.array([1, 2]),
        "not a single value",
    ),
    ("affectnet-numbered", "train_set/annotations/1_exp.npy", b"\x93NUMPY", "holds no number"),
    ("affectnet-numbered", "train_set/annotations/1_exp.npy", b"PK\3\4 zip", "holds no number"),
    (
        "affectnet-numbered",
        "train_set/annotations/1_exp.npy",
        b"\x93NUMPY\1\0\x4e\0"
        + b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999,)}".ljust(77)
        + b"\n",
        "not a single value",
    ),
]
BROKEN_WRITERS: dict[str, Callable[[Path, int], Path]] = {
    **official.WRITERS,
    "rafdb-folders": official.write_rafdb_folders,
    "ferplus-new": official.write_ferplus,
    "affectnet-numbered": official.write_affectnet_numbered,
}


@pytest.mark.parametrize(
    ("kind", "name", "content", "message"),
    BROKEN_LISTS,
    ids=[f"{kind} {message}" for kind, _, _, message in BROKEN_LISTS],
)
def test_a_broken_list_names_the_place(
    kind: str, name: str, content: str | bytes | np.ndarray, message: str, tmp_path: Path
) -> None:
    root = BROKEN_WRITERS[kind](tmp_path / "files", 1)
    if isinstance(content, np.ndarray):
        np.save(root / name, content)
    else:
        (root / name).write_bytes(content.encode() if isinstance(content, str) else content)
    if kind == "ferplus-new":
        shutil.rmtree(root / "data")
    for path in (root, official.packed(root, "zip")):
        with pytest.raises(ArchiveError) as caught:
            seen(open_source(kind.partition("-")[0], path))
        assert message in str(caught.value)
        assert name.rpartition("/")[2] in str(caught.value)
        assert len(str(caught.value)) < 1000


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


def test_a_list_may_not_grow_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "list.txt").write_text("a 1\n" * 100)
    for bound, most in (("MAX_LINES", 99), ("MAX_LIST_BYTES", 399)):
        with monkeypatch.context() as patched:
            patched.setattr(f"data_prep.support.tree.{bound}", most)
            with pytest.raises(ArchiveError, match="longer than any list"):
                list(open_tree(tmp_path).lines("list.txt"))
    assert len(list(open_tree(tmp_path).lines("list.txt"))) == 100


def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path) -> None:
    root = official.write_sfew(tmp_path / "sfew", 1)
    face = next((root / "Val/Val_Aligned_Faces/Sad").iterdir())
    face.unlink()
    os.mkfifo(face)
    tree = open_source("sfew", root).images
    assert "not a regular file" in str(tree.try_read(str(face.relative_to(root))))
    with pytest.raises(ArchiveError, match="neither a folder nor a regular file"):
        open_tree(face)


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


def renamed(root: Path, name: Callable[[str], str], *, files: bool = False) -> Path:
    """Rename every folder below a root, and every file if asked to."""
    for path in sorted(root.rglob("*"), key=lambda path: len(path.parts), reverse=True):
        if path.is_dir() or files:
            path.rename(path.with_name(name(path.name)))
    return root


def upper_extension(name: str) -> str:
    stem, dot, extension = name.rpartition(".")
    return f"{stem}{dot}{extension.upper()}" if dot else name


def below_four_folders(root: Path) -> Path:
    inner = root.rename(root.with_name("inner"))
    shutil.move(inner, root / "My data/faces (1)/new")
    return root


def doubled(root: Path) -> Path:
    """Put every folder into one of its own name, as Windows unpacks `Val.zip` to `Val/Val`."""
    folders = [path for path in root.rglob("*") if path.is_dir()]
    for path in sorted(folders, key=lambda path: len(path.parts), reverse=True):
        inner = path.rename(path.with_name("inner"))
        path.mkdir()
        inner.rename(path / path.name)
    return root


def with_backslashes(root: Path) -> Path:
    for path in root.rglob("*.csv"):
        path.write_bytes(path.read_bytes().replace(b"/", b"\\"))
    return root


ODD_COPIES: dict[str, Callable[[Path], Path]] = {
    "folders in lower case": lambda root: renamed(root, str.lower),
    "folders in upper case": lambda root: renamed(root, str.upper),
    "extensions in upper case": lambda root: renamed(root, upper_extension, files=True),
    "all names in upper case": lambda root: renamed(root, str.upper, files=True),
    "all names in lower case": lambda root: renamed(root, str.lower, files=True),
    "folders in folders": doubled,
    "below other folders": below_four_folders,
    "Windows separators": with_backslashes,
}


@pytest.mark.parametrize("oddity", ODD_COPIES)
@pytest.mark.parametrize(
    "write",
    [
        *official.WRITERS.values(),
        official.write_rafdb_folders,
        partial(official.write_rafdb_folders, tables=False),
        lambda root, n: official.write_attributes(official.write_rafdb(root, n), 7 * n),
        partial(official.write_ferplus, as_png=True),
        official.write_affectnet_numbered,
    ],
    ids=[
        *official.WRITERS,
        "rafdb folders",
        "rafdb folders alone",
        "rafdb attributes",
        "ferplus images",
        "affectnet numbered",
    ],
)
def test_an_odd_copy_reads_like_the_official_archive(
    write: Callable[[Path, int], Path], oddity: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    dataset = request.node.callspec.id.partition("-")[0].split()[0]
    expected = seen(open_source(dataset, write(tmp_path / "official", 1)))
    found = seen(open_source(dataset, ODD_COPIES[oddity](write(tmp_path / "odd", 1))))
    if dataset == "sfew" and oddity.startswith("all names"):
        # No list has the names in their own case.
        found, expected = (
            [(row[0].lower(), *row[1:]) for row in rows] for rows in (found, expected)
        )
    assert found == expected


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


def class_folders(root: Path) -> Path:
    for label in FERBENCH["ferplus"].labels:
        official.put(root / "train" / label / "image0000001.png", b"")
    return root


def yolo(root: Path) -> Path:
    official.put(root / "valid/images/ffhq_1.png", b"")
    official.put(root / "valid/labels/ffhq_1.txt", b"3 0.5 0.5 1 1")
    return root


def parquet(root: Path) -> Path:
    official.put(root / "data/train-00000-of-00001.parquet", b"PAR1")
    return root


@pytest.mark.parametrize(
    ("dataset", "write", "message"),
    [
        # SFEW has class folders of its own, and judges their images.
        ("rafdb", class_folders, "the class folders angry, .*: a repackaged copy, .*use the one"),
        ("ferplus", class_folders, "the class folders angry, .*: a repackaged copy, .*use the one"),
        ("affectnet", class_folders, "the class folders angry, .*: a repackaged copy"),
        *((dataset, yolo, "images and labels in YOLO's format .*: a rep") for dataset in FERBENCH),
        *((dataset, parquet, r"Parquet files \(data/train-00000.*: a rep") for dataset in FERBENCH),
    ],
)
def test_a_repackaged_copy_is_recognised(
    dataset: str, write: Callable[[Path], Path], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ArchiveError, match=message):
        open_source(dataset, write(tmp_path))


@pytest.mark.parametrize(
    ("dataset", "write", "name"),
    [
        ("rafdb", official.write_rafdb, "basic/EmoLabel"),
        ("rafdb", official.write_rafdb, "basic/Image"),
        ("rafdb", official.write_rafdb, "basic/Image/aligned"),
        ("rafdb", official.write_rafdb_folders, "DATASET/test"),
        ("affectnet", official.write_affectnet, "Manually_Annotated_Images"),
        ("affectnet", official.write_affectnet_numbered, "train_set"),
        ("ferplus", partial(official.write_ferplus, as_png=True), "data/FER2013Test"),
    ],
)
def test_a_part_of_a_dataset_points_to_the_whole(
    dataset: str, write: Callable[[Path, int], Path], name: str, tmp_path: Path
) -> None:
    message = rf"If {name.rpartition('/')[2]} is one part of it, name the folder around all parts"
    with pytest.raises(ArchiveError, match=message):
        open_source(dataset, write(tmp_path, 1) / name)


def test_affectnet_sets_without_annotations_are_not_read(tmp_path: Path) -> None:
    official.put(tmp_path / "train_set/0/1.jpg", b"")
    with pytest.raises(ArchiveError, match="nor train_set/annotations/ or val_set/annotations/"):
        open_source("affectnet", tmp_path)


def test_affectnet_numbered_counts_images_without_an_annotation(tmp_path: Path) -> None:
    root = official.write_affectnet_numbered(tmp_path, 1)
    (root / "train_set/annotations/1_exp.npy").unlink()
    _, skipped = read(open_source("affectnet", root), Split.TRAIN)
    assert skipped == [Skipped("affectnet", "train_set/images/1.jpg", "has no *_exp.npy")]


def test_a_damaged_list_is_an_error_of_the_archive(tmp_path: Path) -> None:
    archive = official.packed(official.write_ferplus(tmp_path / "files", 1), "zip")
    data = bytearray(archive.read_bytes())
    at = data.find(b"fer2013.csv") + 200
    data[at : at + 40] = bytes(40)
    archive.write_bytes(data)
    source = open_source("ferplus", archive)
    sample = next(entry for entry in source.read(Split.TEST) if isinstance(entry, Sample))
    with pytest.raises(ArchiveError, match=r"fer2013\.csv .*download it again"):
        source.images.try_read(sample.member)


def test_a_name_that_is_not_utf8_is_skipped(tmp_path: Path) -> None:
    faces = official.write_sfew(tmp_path, 1) / "Train/Train_Aligned_Faces/Sad"
    (face,) = faces.iterdir()
    face.rename(os.fsdecode(os.fsencode(faces) + b"/F\xe9te.png"))
    samples, skipped = read(open_source("sfew", tmp_path), Split.TRAIN)
    assert len(samples) == 6
    assert ("Train/Train_Aligned_Faces/Sad/F\\udce9te.png", "its name is not UTF-8; rename it") in [
        (entry.name, entry.reason) for entry in skipped
    ]


CLUTTER = (
    ".DS_Store",
    "._{stem}.png",
    "._{stem}.jpg",
    "._{stem}_exp.npy",
    "Thumbs.db",
    "desktop.ini",
    "{stem}.png:Zone.Identifier",
    ".ipynb_checkpoints/{stem}-checkpoint.png",
    "@eaDir/{stem}.png/SYNOPHOTO_THUMB_XL.jpg",
    "__MACOSX/._{stem}.png",
    "lost+found/#12",
    "$RECYCLE.BIN/{stem}.jpg",
)


def clutter(root: Path) -> None:
    """Leave what systems leave: beside everything, named after what is there."""
    for folder in (root, *[path for path in root.rglob("*") if path.is_dir()]):
        stem = next((path.stem for path in folder.iterdir() if path.is_file()), "face")
        for name in CLUTTER:
            official.put(folder / name.format(stem=stem.removesuffix("_exp")), b"\0\5\x16\7")


@pytest.mark.parametrize("form", ["folder", "zip", "tar"])
@pytest.mark.parametrize(
    ("dataset", "write"),
    [*official.WRITERS.items(), ("affectnet", official.write_affectnet_numbered)],
)
def test_what_systems_leave_behind_is_not_data(
    dataset: str, write: Callable[[Path, int], Path], form: str, tmp_path: Path
) -> None:
    root = write(tmp_path / "files", 1)
    source = open_source(dataset, root)
    expected = seen(source), [read(source, split)[1] for split in source.splits]
    clutter(root)
    source = open_source(dataset, root if form == "folder" else official.packed(root, form))
    assert (seen(source), [read(source, split)[1] for split in source.splits]) == expected


@pytest.mark.parametrize("dataset", FERBENCH)
def test_the_root_may_be_a_link(dataset: str, tmp_path: Path) -> None:
    root = official.WRITERS[dataset](tmp_path / "real", 1)
    (tmp_path / "link").symlink_to(root)
    source = open_source(dataset, tmp_path / "link")
    assert seen(source) == seen(open_source(dataset, root))
    assert source.images.folder in (root, None)


def locked(path: Path) -> Path:
    """Mark every file of a zip as encrypted."""
    data = bytearray(path.read_bytes())
    for mark, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = -1
        while (at := data.find(mark, at + 1)) >= 0:
            data[at + flags] |= 1
    path.write_bytes(data)
    return path


def test_zips_with_a_password_are_reported(tmp_path: Path) -> None:
    path = locked(official.packed(official.write_sfew(tmp_path / "files", 1), "zip"))
    with pytest.raises(ArchiveError, match=r"asks for a password, .*`7z x files\.zip -ofiles`"):
        open_source("sfew", path)


def test_a_zip_with_a_password_inside_another_names_the_outer_one(tmp_path: Path) -> None:
    root = official.write_sfew(tmp_path / "SFEW", 1)
    locked(official.pack_away(root / "Train", "zip"))
    val = locked(official.packed(root / "Val", "zip"))
    # Faces are there for the benchmark, not for training.
    assert open_source("sfew", root).splits == (Split.TEST,)
    with pytest.raises(ArchiveError, match=r"Train\.zip asks for a password"):
        open_source("sfew", root, wanted=Split.TRAIN)
    shutil.rmtree(root / "Val")
    assert val.exists()
    outer = official.packed(root, "zip")
    with pytest.raises(ArchiveError) as caught:
        open_source("sfew", outer)
    assert str(caught.value).startswith(
        f"{outer} holds SFEW/Train.zip, which asks for a password, which its authors sent you; "
        "unpack it, `7z x SFEW.zip -oSFEW`"
    )


def test_zips_of_an_unsupported_method_are_reported(tmp_path: Path) -> None:
    path = official.packed(official.write_sfew(tmp_path / "files", 1), "zip")
    data = bytearray(path.read_bytes())
    at = data.find(b"PK\1\2")
    data[at + 10] = 9  # Deflate64, as Windows packs what is large
    path.write_bytes(data)
    with pytest.raises(ArchiveError, match=r"packed by method 9, .*`7z x files\.zip -ofiles`"):
        open_source("sfew", path)


def test_two_files_of_one_name_are_refused_where_they_differ(tmp_path: Path) -> None:
    for second, is_refused in ((b"one", False), (b"two", True)):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("a.txt", b"one")
            with pytest.warns(UserWarning, match="Duplicate name"):
                archive.writestr("a.txt", second)
        if is_refused:
            with pytest.raises(ArchiveError, match=r"two different files named a\.txt"):
                open_tree(tmp_path / "a.zip")
        else:
            assert open_tree(tmp_path / "a.zip").read("a.txt") == b"one"


def zipped(path: Path, name: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), b"x")


def zipped_link(path: Path, name: str) -> None:
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, "/etc/passwd")


def tarred(path: Path, name: str) -> None:
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo(name)
        info.size = 1
        archive.addfile(info, io.BytesIO(b"x"))


def tarred_link(path: Path, name: str) -> None:
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)


@pytest.mark.parametrize(
    ("write", "name"),
    [
        (zipped, "../evil"),
        (zipped, "a/../../evil"),
        (zipped, "/etc/evil"),
        (zipped, "..\\evil"),
        (zipped, "C:/evil"),
        (zipped_link, "Train/link"),
        (tarred, "../evil"),
        (tarred, "/etc/evil"),
        (tarred_link, "Train/link"),
    ],
)
def test_an_archive_that_climbs_out_is_refused(
    tmp_path: Path, write: Callable[[Path, str], None], name: str
) -> None:
    write(tmp_path / "archive", name)
    with pytest.raises(ArchiveError, match="not read"):
        open_tree(tmp_path / "archive").files("")


@pytest.mark.parametrize("target", ["gone", "test_0001_aligned.jpg"], ids=["dangling", "loop"])
def test_a_link_to_nothing_is_a_file_that_cannot_be_read(target: str, tmp_path: Path) -> None:
    face = official.write_rafdb(tmp_path, 1) / "basic/Image/aligned/test_0001_aligned.jpg"
    face.unlink()
    face.symlink_to(target)
    tree = open_source("rafdb", tmp_path).images
    name = str(face.relative_to(tmp_path))
    assert "cannot be read" in str(tree.try_read(name))
    assert tree.stamp(name) == "unreadable"


def test_a_link_out_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path / "secret")
    (root / "folder").symlink_to(tmp_path)
    tree = open_tree(root)
    for name in ("link", "folder/secret", "../secret"):
        with pytest.raises(ArchiveError, match="leads out of"):
            tree.read(name)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.7z", b"7z\xbc\xaf\x27\x1c", "a.7z is damaged"),
        ("a.zip", b"7z\xbc\xaf\x27\x1c", "a.zip is damaged .*7z"),
        ("a.zip", b"Rar!\x1a\7\0", "is a rar file .*`7z x a.zip -oa`"),
        ("a b", b"Rar!\x1a\7\0", "`7z x 'a b' -o'a b_files'`"),
        ("a.tar.zst", b"\x28\xb5\x2f\xfd", "is a zst file .*`7z x a.tar.zst -oa`"),
        ("a.zip", b"<!DOCTYPE html><title>Sign in", "is a web page"),
        ("fer2013.csv", b"emotion,pixels", "name the folder that holds it"),
        ("a.part01.rar", b"Rar!", "7z x a.part01.rar -oa`"),
        ("a.7z.001", b"7z", "only be read once it is unpacked"),
        ("a.zip", b"PK\x03\x04 cut", "interrupted download"),
        ("none.zip", None, "does not exist"),
    ],
)
def test_what_cannot_be_opened_names_the_remedy(
    tmp_path: Path, name: str, data: bytes | None, message: str
) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(ArchiveError, match=message):
        open_tree(tmp_path / name, tmp_path / "unpacked")


def test_a_damaged_member_is_named(tmp_path: Path) -> None:
    archive = official.packed(official.write_sfew(tmp_path / "files", 1), "zip")
    source = open_source("sfew", archive)
    sample = read(source, Split.TEST)[0][3]
    data = bytearray(archive.read_bytes())
    member = data.index(sample.member.encode())
    data[member + 200 : member + 260] = bytes(60)
    archive.write_bytes(data)
    with pytest.raises(ArchiveError, match="cannot be read"):
        open_tree(archive).read(sample.member)
    assert "cannot be read" in str(open_tree(archive).try_read(sample.member))


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
