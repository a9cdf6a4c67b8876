"""Copies as people have them: renamed, unpacked otherwise, repackaged, with clutter."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from data_prep.sources.archives import open_source
from data_prep.sources.samples import Split
from data_prep.support.errors import ArchiveError
from tests.data_prep import official
from tests.data_prep.sources.reading import read, seen
from unifer_tasks.protocol.labels import FERBENCH


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
