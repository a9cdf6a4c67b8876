"""One reader per dataset: an official archive, or a folder unpacked from it -> samples.

A reader knows only the layouts in which its dataset is distributed. It names images and never
decodes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path, PurePosixPath

from data_prep.sources import affectnet, ferplus, rafdb, sfew
from data_prep.sources.samples import Sample, Skipped, Source, Split
from data_prep.support.errors import ArchiveError, UnknownLayoutError
from data_prep.support.nested import is_wanted, with_nested
from data_prep.support.packed import open_tree, scratch
from data_prep.support.tree import Tree, join
from unifer_tasks.protocol.labels import CANONICAL_LABELS, canonical, label_space

READERS = (rafdb, ferplus, affectnet, sfew)
"""One module per dataset, with `DATASET`, `NESTED` and `open_source`."""

DATASETS: Sequence[str] = tuple(module.DATASET for module in READERS)
"""The datasets whose archives can be read; evaluating a dataset needs no reader."""

_READERS = {module.DATASET: module for module in READERS}


def open_source(
    dataset: str,
    path: Path,
    unpacked: Path | None = None,
    *,
    wanted: Split = Split.TEST,
    majority: bool = False,
) -> Source:
    """Open a dataset's archive and detect its layout.

    Nested archives are opened if the wanted split is not found without them.

    Args:
        dataset: The dataset's key.
        path: A folder, a zip, a tar or a 7z.
        unpacked: As in `open_tree`.
        wanted: The split that is to be read.
        majority: Label FERPlus by the majority rule of its paper instead of FERBench's.

    Raises:
        ArchiveError: The path holds no layout of that dataset; the message lists those known.
    """
    unpacked = unpacked or scratch()
    tree = open_tree(path, unpacked)
    reader = _READERS[dataset]
    opener: Callable[[Tree], Source] = reader.open_source
    if dataset == ferplus.DATASET:
        opener = partial(ferplus.open_source, majority=majority)
    source = None
    with suppress(ArchiveError):
        source = opener(tree)
    # Often only one part was unpacked by hand.
    if source is None or wanted not in source.splits:
        try:
            source = opener(with_nested(tree, reader.NESTED, unpacked))
        except UnknownLayoutError as error:
            raise UnknownLayoutError(f"{error}{_hint(dataset, tree)}") from None
    return replace(source, read=partial(_read, source, tree, unpacked))


def _read(source: Source, tree: Tree, unpacked: Path, split: Split) -> Iterator[Sample | Skipped]:
    """Yield the entries of a split, with the annotations that lie elsewhere in the archive."""
    entries = source.read(split)
    if source.dataset == rafdb.DATASET and split is Split.TEST:
        around = with_nested(tree, rafdb.ATTRIBUTES_NESTED, unpacked)
        entries = rafdb.with_attributes(entries, around)
    for entry in entries:
        name = entry.member if isinstance(entry, Sample) else entry.name
        shown = name.encode(errors="backslashreplace").decode()
        if shown == name:
            yield entry
        else:
            # Rows cannot hold it.
            yield Skipped(entry.dataset, shown, "its name is not UTF-8; rename it")


def _hint(dataset: str, tree: Tree) -> str:
    """Return what a tree holds instead of this dataset, if it is recognised."""
    if not (tree.files("") or tree.folders("")):
        return ". It is empty"
    for other, reader in _READERS.items():
        if other != dataset:
            with suppress(ArchiveError):
                reader.open_source(tree)
                return f". It holds {label_space(other).title}: --{other}"
    if found := _repackaged(tree):
        return (
            f". It holds {found}: a repackaged copy, without the file names and lists of "
            f"{label_space(dataset).title}; use the one that its authors hand out"
        )
    if is_wanted(tree.path.name, _READERS[dataset].NESTED):
        return f". If {tree.path.name} is one part of it, name the folder around all parts"
    return ""


_REPACKAGED: Mapping[str, str] = {
    ".parquet": "Parquet files",
    ".arrow": "Arrow files",
    ".tfrecord": "TFRecord files",
    ".h5": "HDF5 files",
}
_FEW_CLASSES = 5


def _repackaged(tree: Tree) -> str | None:
    """Return what shows that others have packed a dataset again, if anything does."""
    for folder in chain.from_iterable(tree.levels()):
        names = tree.folders(folder)
        labels = [name for name in names if canonical(name.lower()) in CANONICAL_LABELS]
        if len(labels) >= _FEW_CLASSES:
            return f"the class folders {', '.join(labels)}"
        if {"images", "labels"} <= set(map(str.lower, names)):
            return f"images and labels in YOLO's format ({join(folder, 'labels')})"
        for file in tree.files(folder):
            if packed := _REPACKAGED.get(PurePosixPath(file).suffix.lower()):
                return f"{packed} ({join(folder, file)})"
    return None
