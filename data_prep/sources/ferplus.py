"""FERPlus: the faces of FER2013, each labelled by ten people.

The votes are those of microsoft/FERPlus; the images are those of FER2013 and come as PNG folders or
as rows of `fer2013.csv`. The two are joined by row through `fer2013new.csv`: file names do not
follow the row numbers.

The benchmark's label is the most voted of the eight emotions in `data/FER2013*/label.csv`; in a tie
the first in the file's order, whatever the votes for `unknown` and `NF` (no face). Those files and
`fer2013new.csv` disagree on some votes, so only the former give the benchmark.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from data_prep.sources.pixels import PixelTable, named_rows
from data_prep.sources.samples import Sample, Skipped, Source, Split
from data_prep.support.errors import ArchiveError, ListError, UnknownLayoutError, brief
from data_prep.support.tree import Tree, is_image
from unifer_tasks.data.annotations import Annotations
from unifer_tasks.protocol.labels import canonical, label_space

DATASET = "ferplus"

NESTED = ("fer*", "icml_face_data", "data", "train", "challenges*")
"""Names of nested archives to open; as in `with_nested`."""

VOTE_COLUMNS = ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt")
"""The labels of the first eight of the ten vote columns; `unknown` and `NF` follow."""

FOLDERS: Mapping[Split, str] = {
    Split.TRAIN: "FER2013Train",
    Split.VALID: "FER2013Valid",
    Split.TEST: "FER2013Test",
}
ORIGINAL_ROWS: Mapping[Split, int] = {Split.TRAIN: 28_709, Split.VALID: 3_589, Split.TEST: 3_589}
"""Rows of FER2013: the maximum for a folder of the original images."""

_NEW = "fer2013new.csv"
_PIXELS = ("fer2013.csv", "icml_face_data.csv")
_N_VOTES = 10
_MAX_VOTES = 100
"""More than the number of annotators of any face."""

Rule = Callable[[Sequence[int]], str | None]
Rows = Callable[[], Iterator[tuple[str, str, list[int]]]]
"""Yields place, file name and votes of each row of a split."""


def benchmark_rule(votes: Sequence[int]) -> str:
    """Return FERBench's label: the most voted of the eight emotions, the first in a tie."""
    emotions = votes[: len(VOTE_COLUMNS)]
    return VOTE_COLUMNS[emotions.index(max(emotions))]


def majority_rule(votes: Sequence[int]) -> str | None:
    """Return the label by the majority rule of the FER+ paper; None if it drops the image.

    Single votes are outliers; of the others, more than half must be for one of the ten columns, and
    that must be an emotion (Barsoum et al. 2016; microsoft/FERPlus `src/ferplus.py`).
    """
    kept = [vote if vote > 1 else 0 for vote in votes]
    most = max(kept)
    winner = kept.index(most)
    if 2 * most <= sum(kept) or winner >= len(VOTE_COLUMNS):
        return None
    return VOTE_COLUMNS[winner]


def open_source(tree: Tree, *, majority: bool = False) -> Source:
    """Open FERPlus, labelled by the benchmark's rule or by the majority rule.

    Raises:
        ArchiveError: Votes or images are missing, or the images are the augmented re-upload.
    """
    labels = {
        split: name
        for split, folder in FOLDERS.items()
        if (name := tree.find_first(f"{folder}/label.csv"))
    }
    joint = tree.find_first(_NEW)
    if not labels and joint is None:
        raise UnknownLayoutError(_no_votes(tree))
    images, folders, form = _open_images(tree, joint)
    reason = None
    if Split.TEST not in labels:
        reason = (
            f"{tree.path} lacks FER2013Test/label.csv, whose votes FERBench takes; put the folder "
            "data/ of microsoft/FERPlus there"
        )
    elif majority:
        reason = "the majority rule does not give FERBench's labels"
    rule: Rule = majority_rule if majority else benchmark_rule
    rows: dict[Split, Rows] = {}
    if joint is not None:
        rows |= {split: partial(_joint_rows, tree, joint, split) for split in Split}
    rows |= {split: partial(_label_rows, tree, name) for split, name in labels.items()}
    return Source(
        DATASET,
        f"{form}, votes of {'label.csv' if labels else _NEW}",
        images,
        partial(_read, images, folders, rows, rule),
        tuple(split for split in Split if split in folders and split in rows),
        reason,
        has_official_labels=not majority,
    )


def _open_images(tree: Tree, joint: str | None) -> tuple[Tree, Mapping[Split, str], str]:
    folders = {}
    for split, name in FOLDERS.items():
        for folder in tree.find(name):
            faces = [file for file in tree.files(folder) if is_image(file)]
            if len(faces) > ORIGINAL_ROWS[split]:
                raise ArchiveError(_augmented(tree, len(faces), split))
            if faces:
                folders[split] = folder
                break
    if folders:
        return tree, folders, "PNG folders"
    table = next((found for name in _PIXELS for found in tree.find(name)), None)
    if table is None:
        raise ArchiveError(
            f"{tree.path} has FERPlus's votes and no images: neither "
            f"{FOLDERS[Split.TEST]}/*.png nor {_PIXELS[0]} is in it; add either of them"
        )
    if joint is None:
        raise ArchiveError(
            f"{tree.path} has {table} and no {_NEW}, which names its rows; "
            "put that file of microsoft/FERPlus beside it"
        )
    return PixelTable(tree, table, joint, FOLDERS), dict(FOLDERS), table


def _read(
    images: Tree,
    folders: Mapping[Split, str],
    rows: Mapping[Split, Rows],
    rule: Rule,
    split: Split,
) -> Iterator[Sample | Skipped]:
    space = label_space(DATASET).labels
    seen: set[str] = set()
    for where, name, votes in rows[split]():
        label = rule(votes)
        if not name:
            yield Skipped(DATASET, where, "has no name: it shows no face", by_rule=True)
        elif name in seen:
            yield Skipped(
                DATASET, f"{where} ({name})", "repeats a name; the first row counts", by_rule=True
            )
        elif label is None:
            yield Skipped(DATASET, name, "no emotion has the majority", by_rule=True)
        elif (member := images.resolve(folders[split], name)) is None:
            yield Skipped(DATASET, name, "its image is missing")
        else:
            of_label = dict(zip(VOTE_COLUMNS, votes, strict=False))
            ordered = tuple(of_label[candidate] for candidate in space)
            others = sum(votes[len(VOTE_COLUMNS) :])
            yield Sample(
                DATASET,
                f"/FERPlus/{split}/{label}/{name}",
                label,
                split,
                member,
                ordered,
                annotations=Annotations(ordered, others) if split is Split.TEST else None,
            )
        seen.add(name)


def _label_rows(tree: Tree, name: str) -> Iterator[tuple[str, str, list[int]]]:
    """Read a `label.csv`: name, box, ten votes, no header. Older ones lack the box."""
    for number, row in tree.table(name):
        where = f"{name}, row {number}"
        has_box = len(row) == _N_VOTES + 2 and row[1].startswith("(")
        yield where, row[0].strip(), _votes(row[1 + has_box :], tree, where)


def _joint_rows(tree: Tree, name: str, split: Split) -> Iterator[tuple[str, str, list[int]]]:
    """Read the rows of one split of `fer2013new.csv`: usage, name, ten votes."""
    _, header = next(tree.table(name), (1, []))
    _check_header(header, tree, name)
    for number, of, file, votes in named_rows(tree, name):
        if of is split:
            where = f"{name}, row {number}"
            yield where, file, _votes(votes, tree, where)


def _check_header(row: Sequence[str], tree: Tree, name: str) -> None:
    """Check that the vote columns are in the expected order."""
    found = [canonical(cell.strip().lower()) for cell in row[2 : 2 + len(VOTE_COLUMNS)]]
    expected = [canonical(label) for label in VOTE_COLUMNS]
    if found != expected or len(row) != _N_VOTES + 2:
        raise ListError(
            f"{tree.path}: {name} has the columns {brief(list(row))}; usage, name, "
            f"{', '.join(expected)}, unknown and NF are expected"
        )


def _votes(cells: list[str], tree: Tree, where: str) -> list[int]:
    try:
        # Spreadsheets write 4 as 4.0.
        votes = [float(cell) for cell in cells]
    except ValueError:
        votes = []
    if len(votes) != _N_VOTES:
        raise ListError(f"{tree.path}: {where} has no {_N_VOTES} vote columns: {brief(cells)}")
    if not all(vote.is_integer() and 0 <= vote <= _MAX_VOTES for vote in votes):
        raise ListError(
            f"{tree.path}: {where} has votes that are not counts of people: {brief(cells)}"
        )
    return [int(vote) for vote in votes]


def _augmented(tree: Tree, n_images: int, split: Split) -> str:
    return (
        f"{tree.path} holds {n_images:,} images in {split}, FER2013 has {ORIGINAL_ROWS[split]:,}: "
        "this is the augmented re-upload, whose copies would count as different faces; "
        "get fer2013.csv and microsoft/FERPlus"
    )


def _no_votes(tree: Tree) -> str:
    for split in Split:
        for folder in tree.find(split):
            n_images = sum(len(tree.files(f"{folder}/{name}")) for name in tree.folders(folder))
            if n_images > ORIGINAL_ROWS[split]:
                return _augmented(tree, n_images, split)
    return (
        f"{tree.path} has no votes: neither {FOLDERS[Split.TEST]}/label.csv nor {_NEW} is in it; "
        "both are in microsoft/FERPlus"
    )
