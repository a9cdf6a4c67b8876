"""Broken lists: each is an error with file and row."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from data_prep.sources.archives import open_source
from data_prep.sources.samples import Sample, Split
from data_prep.support.errors import ArchiveError
from data_prep.support.packed import open_tree
from tests.data_prep import official
from tests.data_prep.sources.reading import seen

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


def test_a_list_may_not_grow_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "list.txt").write_text("a 1\n" * 100)
    for bound, most in (("MAX_LINES", 99), ("MAX_LIST_BYTES", 399)):
        with monkeypatch.context() as patched:
            patched.setattr(f"data_prep.support.tree.{bound}", most)
            with pytest.raises(ArchiveError, match="longer than any list"):
                list(open_tree(tmp_path).lines("list.txt"))
    assert len(list(open_tree(tmp_path).lines("list.txt"))) == 100


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
