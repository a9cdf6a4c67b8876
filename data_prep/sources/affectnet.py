"""AffectNet: faces from the web, each labelled by one annotator.

Two releases. The first lists `<subdirectory>/<hash>.<extension>` in `training.csv` and
`validation.csv`; FERBench's ids are these names with every extension rewritten to `.jpg`, so
images are found by folder and stem. The newer one has numbered images with an `N_exp.npy` each:
the numbers cannot be mapped to the hashes, so it serves for training but not for the benchmark.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import partial
from pathlib import PurePosixPath

import numpy as np

from data_prep.sources.landmarks import BOX, POINTS, Place, read_place, with_landmarks
from data_prep.sources.samples import Sample, Skipped, Source, Split
from data_prep.support.errors import ArchiveError, ListError, UnknownLayoutError, brief
from data_prep.support.tree import Tree, join, stem

DATASET = "affectnet"

NESTED = ("manually_annotated*", "train_set", "val_set", "training", "validation", "affectnet*")
"""Names of nested archives to open; as in `with_nested`."""

LABELS = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")
"""The label of the ids 0 to 7."""

_NOT_EXPRESSIONS = ("none", "uncertain", "non-face")
"""The meaning of the ids 8 to 10."""

# File and column names of the first release.
_PART = {Split.TRAIN: "training", Split.TEST: "validation"}
_FOLDERS = ("Manually_Annotated_Images", "Manually_Annotated")
_PATH = "subdirectory_filepath"
_READ = (_PATH, "expression", "valence", "arousal")
_COLUMNS = (_PATH, *BOX, POINTS, *_READ[1:])
# Folder names of the newer release.
_SET = {Split.TRAIN: "train_set", Split.TEST: "val_set"}
_EXPRESSION = "_exp.npy"
_NO_NUMBER = (ValueError, EOFError, TypeError, SyntaxError, MemoryError, RecursionError)
"""What NumPy raises on a file that is not one of its arrays."""


def open_source(tree: Tree) -> Source:
    """Open either release of AffectNet.

    Raises:
        ArchiveError: The tree is neither release, or has lists and no images.
    """
    source = _first_release(tree) or _newer_release(tree)
    if source is None:
        raise UnknownLayoutError(
            f"{tree.path} is not AffectNet: neither training.csv or validation.csv with "
            f"{_FOLDERS[0]}/ nor train_set/annotations/ or val_set/annotations/ is in it"
        )
    return source


def _first_release(tree: Tree) -> Source | None:
    lists = {
        split: name for split, part in _PART.items() if (name := tree.find_first(f"{part}.csv"))
    }
    if not lists:
        return None
    places = (name for folder in _FOLDERS for name in tree.find(folder))
    faces = next((name for name in places if tree.folders(name)), None)
    if faces is None:
        raise ArchiveError(
            f"{tree.path} has {', '.join(lists.values())} and no folder {_FOLDERS[0]}; unpack all "
            "parts of Manually_Annotated there"
        )
    read = partial(_read_list, tree, lists, faces)
    reason = None if Split.TEST in lists else f"{tree.path} holds no validation.csv"
    return Source(DATASET, "lists and subdirectories", tree, read, tuple(lists), reason)


def _newer_release(tree: Tree) -> Source | None:
    sets = {
        split: name
        for split, part in _SET.items()
        if (name := tree.find_first(part)) and tree.find_in(name, "annotations")
    }
    if not sets:
        return None
    reason = (
        "this release of AffectNet numbers its images, which cannot be mapped to FERBench's ids; "
        "the one with validation.csv is needed. It can be trained on"
    )
    read = partial(_read_set, tree, sets)
    return Source(DATASET, "numbered images", tree, read, tuple(sets), reason)


def _read_list(
    tree: Tree, lists: dict[Split, str], faces: str, split: Split
) -> Iterator[Sample | Skipped]:
    located = _located(tree, lists, faces, split)
    if split is Split.TEST:
        return with_landmarks(tree, list(located))
    return (entry for entry, _ in located)


def _located(
    tree: Tree, lists: dict[Split, str], faces: str, split: Split
) -> Iterator[tuple[Sample | Skipped, Place | None]]:
    """Yield the entries of a list, and where it says that their faces are."""
    name, part = lists[split], _PART[split]
    for number, row in tree.records(name, _READ, _COLUMNS):
        where = f"{tree.path}: {name}, row {number}"
        try:
            file, expression = row[_PATH], int(row["expression"])
            valence, arousal = _degree(row["valence"]), _degree(row["arousal"])
        except ValueError:
            raise ListError(
                f"{where} lacks a number for expression, valence or arousal: {brief(row[_PATH])}"
            ) from None
        if not _is_emotion(expression, where):
            yield Skipped(DATASET, file, _not_an_expression(expression), by_rule=True), None
            continue
        # A list that was saved on Windows may have its separators.
        path = PurePosixPath(file.strip().replace("\\", "/"))
        member = tree.resolve(faces, str(path))
        if member is None:
            yield Skipped(DATASET, file, "its image is missing"), None
            continue
        published = f"/AffectNet/Manually_Annotated/{part}/{path.parent}/{path.stem}.jpg"
        sample = Sample(
            DATASET,
            published,
            LABELS[expression],
            split,
            member,
            valence=valence,
            arousal=arousal,
        )
        yield sample, read_place(row) if split is Split.TEST else None


def _read_set(tree: Tree, sets: dict[Split, str], split: Split) -> Iterator[Sample | Skipped]:
    annotations = tree.find_in(sets[split], "annotations") or ""
    images = tree.find_in(sets[split], "images") or ""
    # The folder holds four kinds of annotation; `exp` is the expression.
    expressions = [file for file in tree.files(annotations) if file.lower().endswith(_EXPRESSION)]
    annotated = {_number(file) for file in expressions}
    for file in tree.files(images):
        if stem(file) not in annotated:
            yield Skipped(DATASET, join(images, file), "has no *_exp.npy")
    for file in expressions:
        number = _number(file)
        name = join(annotations, file)
        expression = _value(tree, name)
        member = tree.resolve(images, f"{number}.jpg")
        if not _is_emotion(expression, f"{tree.path}: {name}"):
            yield Skipped(DATASET, name, _not_an_expression(int(expression)), by_rule=True)
        elif member is None:
            yield Skipped(DATASET, name, "its image is missing")
        else:
            yield Sample(
                DATASET,
                f"/AffectNet/{_SET[split]}/images/{number}.jpg",
                LABELS[int(expression)],
                split,
                member,
                valence=_degree_beside(tree, annotations, f"{number}_val.npy"),
                arousal=_degree_beside(tree, annotations, f"{number}_aro.npy"),
            )


def _degree_beside(tree: Tree, folder: str, name: str) -> float | None:
    """Read valence or arousal from its own file; None if there is none."""
    found = tree.find_in(folder, name)
    return None if found is None else _degree(_value(tree, found))


def _number(file: str) -> str:
    """Return the number of the image that an `N_exp.npy` is about."""
    return file[: -len(_EXPRESSION)]


def _value(tree: Tree, name: str) -> float:
    """Read an annotation: an array of one number, or of its text.

    Raises:
        ArchiveError: The file holds anything else.
    """
    try:
        file = io.BytesIO(tree.read(name))
        array = np.lib.format.read_array(file, allow_pickle=False)  # type: ignore[no-untyped-call]
        return float(array.reshape(()))
    except _NO_NUMBER as error:
        raise ListError(
            f"{tree.path}: {name} holds no number: it is not a single value in NumPy's format "
            f"({brief(error)})"
        ) from None


def _is_emotion(expression: float, where: str) -> bool:
    """Return whether an id is that of one of the eight emotions.

    Raises:
        ArchiveError: It is not an id of AffectNet.
    """
    if expression not in range(len(LABELS) + len(_NOT_EXPRESSIONS)):
        raise ListError(f"{where} has expression {brief(expression)}, which is none of 0 to 10")
    return expression < len(LABELS)


def _degree(value: float | str) -> float | None:
    """Read valence or arousal, from -1 to 1; None if empty or outside, such as -2 for unknown."""
    number = None if value == "" else float(value)
    return number if number is not None and -1 <= number <= 1 else None


def _not_an_expression(expression: int) -> str:
    meaning = _NOT_EXPRESSIONS[expression - len(LABELS)]
    return f"expression {expression} ({meaning}) is not a candidate label"
