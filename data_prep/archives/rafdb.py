"""RAF-DB basic: real-world faces with one of seven expressions.

Two layouts: the official one (`EmoLabel/list_patition_label.txt`, `Image/aligned`; the
spelling is theirs) and class folders (`DATASET/{train,test}/{1..7}`, with
`train_labels.csv` and `test_labels.csv`) that re-packagings use. Both name an aligned face
`<stem>_aligned.jpg`, as FERBench's ids do.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import partial

from data_prep.archives.samples import Sample, Skipped, Source, Split
from data_prep.archives.tree import ArchiveError, Tree, join

DATASET = "rafdb"

NESTED = ("aligned", "image", "emolabel", "basic", "dataset", "raf*")
"""Names of archives within the archive that may hold what is read; as in `with_nested`."""

LABELS = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
"""The label of the ids 1 to 7."""

_LIST = "EmoLabel/list_patition_label.txt"
_FACES = "Image/aligned"
_ALIGNED = "_aligned"


def open_source(tree: Tree) -> Source:
    """Opens RAF-DB.

    Raises:
        ArchiveError: The tree has neither layout.
    """
    for name in tree.find(_LIST):
        root = name.removesuffix(_LIST).rstrip("/")
        faces = join(root, _FACES)
        if not tree.files(faces):
            raise ArchiveError(
                f"{tree.path} has {name} and no {faces}/*.jpg; unpack aligned.zip there"
            )
        return Source(DATASET, _LIST, tree, partial(_read_list, tree, name, faces))
    for folder in tree.find("train"):
        if set("1234567") <= set(tree.folders(folder)):
            root = folder.removesuffix("train").rstrip("/")
            return Source(DATASET, "class folders", tree, partial(_read_folders, tree, root))
    raise ArchiveError(
        f"{tree.path} is no RAF-DB: neither {_LIST} with {_FACES}/ nor train/1 to train/7 is in it"
    )


def _read_list(tree: Tree, name: str, faces: str, split: Split) -> Iterator[Sample | Skipped]:
    with tree.lines(name) as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            file, _, label_id = line.strip().rpartition(" ")
            label = _label(label_id, tree, f"{name}, line {number}")
            if file.startswith(f"{split}_"):
                yield _sample(tree, split, file, label, faces)


def _read_folders(tree: Tree, root: str, split: Split) -> Iterator[Sample | Skipped]:
    listed: set[str] = set()
    table = next(
        (
            name
            for folder in (root, root.rpartition("/")[0])
            if tree.has(name := join(folder, f"{split}_labels.csv"))
        ),
        None,
    )
    if table is not None:
        with tree.lines(table) as lines:
            for number, row in enumerate(csv.DictReader(lines), start=2):
                where = f"{table}, line {number}"
                try:
                    file, label_id = row["image"].strip(), row["label"].strip()
                except (KeyError, AttributeError):
                    raise ArchiveError(f"{tree.path}: {where} lacks `image` or `label`") from None
                listed.add(file)
                faces = join(root, f"{split}/{label_id}")
                yield _sample(tree, split, file, _label(label_id, tree, where), faces)
    for label_id, label in enumerate(LABELS, start=1):
        faces = join(root, f"{split}/{label_id}")
        for file in tree.files(faces):
            if table is None:
                yield _sample(tree, split, file, label, faces)
            elif file not in listed:
                yield Skipped(DATASET, join(faces, file), f"{split}_labels.csv does not list it")


def _sample(tree: Tree, split: Split, file: str, label: str, faces: str) -> Sample | Skipped:
    stem = file.rpartition(".")[0].removesuffix(_ALIGNED) + _ALIGNED
    member = tree.resolve(f"{faces}/{stem}.jpg")
    if member is None:
        return Skipped(DATASET, file, "its aligned face is missing")
    return Sample(DATASET, f"/RAF-DB/aligned/{stem}.jpg", label, split, member)


def _label(label_id: str, tree: Tree, where: str) -> str:
    if not (label_id.isdecimal() and 1 <= int(label_id) <= len(LABELS)):
        raise ArchiveError(f"{tree.path}: {where}: label {label_id!r} is none of 1 to 7")
    return LABELS[int(label_id) - 1]
