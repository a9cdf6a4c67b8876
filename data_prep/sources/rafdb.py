"""RAF-DB basic: real-world faces with one of seven expressions.

Two layouts: the official one (`EmoLabel/list_patition_label.txt`, `Image/aligned`; the
spelling is theirs) and class folders (`DATASET/{train,test}/{1..7}` or by the labels' words, with
or without `train_labels.csv` and `test_labels.csv`) of repackaged copies. Both name an aligned face
`<stem>_aligned.jpg`, as FERBench's ids do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from data_prep.sources.samples import Sample, Skipped, Source, Split
from data_prep.support.errors import ArchiveError, ListError, UnknownLayoutError, brief
from data_prep.support.tree import Tree, join, stem
from unifer_tasks.data.annotations import ATTRIBUTES, Annotations
from unifer_tasks.protocol.labels import canonical

DATASET = "rafdb"

NESTED = ("aligned", "image", "emolabel", "basic", "dataset", "train", "test", "raf*")
"""Names of nested archives to open; as in `with_nested`."""

LABELS = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
"""The label of the ids 1 to 7."""

_LABEL_OF: Mapping[str, str] = {str(number): label for number, label in enumerate(LABELS, start=1)}

_LIST = "EmoLabel/list_patition_label.txt"
_FACES = "Image/aligned"
_ALIGNED = "_aligned"
_STEMS = ("train_", "test_")

ATTRIBUTES_FOLDER = "Annotation/manual"
ATTRIBUTES_NESTED = ("manual",)
"""Names of nested archives that may hold the folder; as in `with_nested`."""

_ATTRIBUTES = "_manu_attri.txt"


def open_source(tree: Tree) -> Source:
    """Open RAF-DB.

    Raises:
        ArchiveError: The tree has neither layout.
    """
    for root, name in tree.find_with_root(_LIST):
        faces = tree.find_in(root, _FACES)
        if faces is None or not tree.files(faces):
            raise ArchiveError(
                f"{tree.path} has {name} and no {join(root, _FACES)}/*.jpg; unpack aligned.zip "
                "there"
            )
        return Source(DATASET, _LIST, tree, partial(_read_list, tree, name, faces))
    classes = {
        split: place for split in (Split.TRAIN, Split.TEST) if (place := _find_classes(tree, split))
    }
    if classes:
        return Source(
            DATASET,
            "class folders",
            tree,
            partial(_read_folders, tree, classes),
            tuple(classes),
            None if Split.TEST in classes else f"{tree.path} holds no test/1 to test/7",
        )
    raise UnknownLayoutError(
        f"{tree.path} is not RAF-DB: neither {_LIST} with {_FACES}/ nor test/1 to test/7 is in it"
    )


def with_attributes(entries: Iterable[Sample | Skipped], tree: Tree) -> Iterator[Sample | Skipped]:
    """Yield entries with the annotators' attributes that a tree has in `Annotation/manual`."""
    folder = tree.find_first(ATTRIBUTES_FOLDER)
    for entry in entries:
        if folder is not None and isinstance(entry, Sample):
            name = tree.find_in(folder, f"{_id(entry.member)}{_ATTRIBUTES}")
            if name is not None:
                entry = replace(entry, annotations=_attributes(tree, name))
        yield entry


def _attributes(tree: Tree, name: str) -> Annotations:
    """Read gender, race and age group: the last three lines, after five of landmarks."""
    lines = [line.split() for line in tree.lines(name) if line.strip()]
    if [len(cells) for cells in lines] != [2] * 5 + [1] * len(ATTRIBUTES):
        raise ArchiveError(
            f"{tree.path}: {name} does not have five lines of landmarks and a line each of "
            f"{', '.join(ATTRIBUTES)}; download it again"
        )
    values: dict[str, Any] = {}
    for (attribute, known), (cell,) in zip(ATTRIBUTES.items(), lines[5:], strict=True):
        if cell not in map(str, range(len(known))):
            raise ArchiveError(
                f"{tree.path}: {name}: {attribute} {brief(cell)} is none of 0 to {len(known) - 1} "
                f"({', '.join(known)}); download it again"
            )
        values[attribute] = known[int(cell)]
    return Annotations(**values)


def _read_list(tree: Tree, name: str, faces: str, split: Split) -> Iterator[Sample | Skipped]:
    for number, line in enumerate(tree.lines(name), start=1):
        where = f"{name}, line {number}"
        file, *rest = line.split() or [""]
        if len(rest) > 1:
            raise ListError(
                f"{tree.path}: {where} has {1 + len(rest)} columns; a file and its label are "
                "expected"
            )
        if file:
            label = _label("".join(rest), tree, where)
            if _id(file).startswith(f"{split}_"):
                yield _sample(tree, split, file, label, faces)
            elif not _id(file).startswith(_STEMS):
                raise ListError(
                    f"{tree.path}: {where}: {brief(file)} starts with none of {', '.join(_STEMS)}"
                )


@dataclass(frozen=True, slots=True)
class _Classes:
    """The class folders of a split by label, and the folder around that of the split."""

    root: str
    places: Mapping[str, str]


def _find_classes(tree: Tree, split: Split) -> _Classes | None:
    """Find the class folders of a split, named by their ids or by words such as `happy`."""
    for root, folder in tree.find_with_root(split):
        named = {canonical(name.lower()): name for name in tree.folders(folder)}
        for expected in (_LABEL_OF, dict(zip(LABELS, LABELS, strict=True))):
            if not set(expected) <= named.keys():
                continue
            places = {
                label: tree.find_in(folder, named[name]) or "" for name, label in expected.items()
            }
            # Other datasets are passed on in folders of the same words.
            files = tree.files(places[LABELS[0]])
            if expected is _LABEL_OF or any(_id(file).startswith(f"{split}_") for file in files):
                return _Classes(root, places)
    return None


def _read_folders(
    tree: Tree, classes: Mapping[Split, _Classes], split: Split
) -> Iterator[Sample | Skipped]:
    found = classes[split]
    file_name = f"{split}_labels.csv"
    around = found.root.rpartition("/")[0]
    table = tree.find_in(found.root, file_name) or tree.find_in(around, file_name)
    listed: set[str] = set()
    if table is not None:
        for number, row in tree.records(table, ("image", "label")):
            file = row["image"].strip()
            listed.add(_id(file))
            label = _label(row["label"].strip(), tree, f"{table}, row {number}")
            yield _sample(tree, split, file, label, found.places[label])
    for label, faces in found.places.items():
        for file in tree.files(faces):
            if table is None and _id(file).startswith(f"{split}_"):
                yield _sample(tree, split, file, label, faces)
            elif _id(file) not in listed:
                reason = (
                    "is not named as RAF-DB names its faces"
                    if table is None
                    else f"{file_name} does not list it"
                )
                yield Skipped(DATASET, join(faces, file), reason)


def _sample(tree: Tree, split: Split, file: str, label: str, faces: str) -> Sample | Skipped:
    name = f"{_id(file)}{_ALIGNED}.jpg"
    member = tree.resolve(faces, name)
    if member is None:
        return Skipped(DATASET, file, "its aligned face is missing")
    return Sample(DATASET, f"/RAF-DB/aligned/{name}", label, split, member)


def _id(file: str) -> str:
    """Return the name of a photograph, `test_0001`, from that of its face in any case."""
    return stem(file).lower().removesuffix(_ALIGNED)


def _label(label_id: str, tree: Tree, where: str) -> str:
    label = _LABEL_OF.get(label_id)
    if label is None:
        raise ArchiveError(f"{tree.path}: {where}: label {brief(label_id)} is none of 1 to 7")
    return label
