"""RAF-DB basic: real-world faces with one of seven expressions.

Two layouts: the official one (`EmoLabel/list_patition_label.txt`, `Image/aligned`; the
spelling is theirs) and class folders (`DATASET/{train,test}/{1..7}`, with
`train_labels.csv` and `test_labels.csv`) that re-packagings use. Both name an aligned face
`<stem>_aligned.jpg`, as FERBench's ids do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from types import MappingProxyType

from data_prep.errors import ArchiveError, brief
from data_prep.sources.samples import Sample, Skipped, Source, Split
from data_prep.storage.tree import Tree, join

DATASET = "rafdb"

NESTED = ("aligned", "image", "emolabel", "basic", "dataset", "raf*")
"""Names of archives within the archive that may hold what is read; as in `with_nested`."""

LABELS = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
"""The label of the ids 1 to 7."""

_LIST = "EmoLabel/list_patition_label.txt"
_FACES = "Image/aligned"
_ALIGNED = "_aligned"


def open_source(tree: Tree) -> Source:
    """Open RAF-DB.

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
        f"{tree.path} is not RAF-DB: neither {_LIST} with {_FACES}/ nor train/1 to train/7 is in it"
    )


def _read_list(tree: Tree, name: str, faces: str, split: Split) -> Iterator[Sample | Skipped]:
    for number, line in enumerate(tree.lines(name), start=1):
        where = f"{name}, line {number}"
        file, *rest = line.split() or [""]
        if len(rest) > 1:
            raise ArchiveError(
                f"{tree.path}: {where} has {1 + len(rest)} columns; a file and its label are "
                "expected"
            )
        if file:
            label = _label("".join(rest), tree, where)
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
        for file, label_id, where in _table(tree, table):
            listed.add(file)
            faces = join(root, f"{split}/{label_id}")
            yield _sample(tree, split, file, _label(label_id, tree, where), faces)
    for number, label in enumerate(LABELS, start=1):
        faces = join(root, f"{split}/{number}")
        for file in tree.files(faces):
            if table is None:
                yield _sample(tree, split, file, label, faces)
            elif file not in listed:
                yield Skipped(DATASET, join(faces, file), f"{split}_labels.csv does not list it")


def _table(tree: Tree, name: str) -> Iterator[tuple[str, str, str]]:
    """Yield file, label and place of each row of a table with `image` and `label`."""
    rows = tree.table(name)
    _, columns = next(rows, (1, []))
    for number, row in rows:
        where = f"{name}, line {number}"
        if len(row) != len(columns):
            raise ArchiveError(
                f"{tree.path}: {where} has {len(row)} columns, its header has {len(columns)}"
            )
        cells = dict(zip(columns, row, strict=True))
        if not {"image", "label"} <= cells.keys():
            raise ArchiveError(f"{tree.path}: {where} lacks `image` or `label`")
        yield cells["image"].strip(), cells["label"].strip(), where


def _sample(tree: Tree, split: Split, file: str, label: str, faces: str) -> Sample | Skipped:
    stem = file.rpartition(".")[0].removesuffix(_ALIGNED) + _ALIGNED
    member = tree.resolve(f"{faces}/{stem}.jpg")
    if member is None:
        return Skipped(DATASET, file, "its aligned face is missing")
    return Sample(DATASET, f"/RAF-DB/aligned/{stem}.jpg", label, split, member)


_LABEL_OF: Mapping[str, str] = MappingProxyType(
    {str(number): label for number, label in enumerate(LABELS, start=1)}
)


def _label(label_id: str, tree: Tree, where: str) -> str:
    label = _LABEL_OF.get(label_id)
    if label is None:
        raise ArchiveError(f"{tree.path}: {where}: label {brief(label_id)} is none of 1 to 7")
    return label
