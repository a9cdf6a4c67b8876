"""One reader per dataset: an official archive, or a folder unpacked from it -> samples.

A reader knows only the layouts in which its dataset is distributed. It names images and never
decodes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from data_prep.errors import ArchiveError
from data_prep.sources import affectnet, ferplus, rafdb, sfew
from data_prep.sources.samples import Sample, Skipped, Source, Split
from data_prep.storage.nested import with_nested
from data_prep.storage.packed import open_tree, scratch
from data_prep.storage.tree import Tree
from unifer_tasks.protocol.labels import label_space

READERS = (rafdb, ferplus, affectnet, sfew)
"""One module per dataset, with `DATASET`, `NESTED` and `open_source`."""

DATASETS: Sequence[str] = tuple(module.DATASET for module in READERS)
"""The datasets whose archives can be read; evaluating a dataset needs no reader."""

_OPENERS: Mapping[str, Callable[[Tree], Source]] = {
    module.DATASET: module.open_source for module in READERS
}
_NESTED: Mapping[str, Sequence[str]] = {module.DATASET: module.NESTED for module in READERS}


def open_source(
    dataset: str, path: Path, unpacked: Path | None = None, *, majority: bool = False
) -> Source:
    """Open a dataset's archive and detect its layout.

    Nested archives are opened if the layout is not found without them.

    Args:
        dataset: The dataset's key.
        path: A folder, a zip, a tar or a 7z.
        unpacked: As in `open_tree`.
        majority: Label FERPlus by the majority rule of its paper instead of FERBench's.

    Raises:
        ArchiveError: The path holds no layout of that dataset; the message lists those known.
    """
    unpacked = unpacked or scratch()
    tree = open_tree(path, unpacked)
    try:
        source = _open(dataset, tree, unpacked, majority)
    except ArchiveError as error:
        raise ArchiveError(f"{error}{_hint(dataset, tree)}") from None
    if dataset == rafdb.DATASET:
        nested = partial(with_nested, tree, rafdb.ATTRIBUTES_NESTED, unpacked)
        source = rafdb.with_attributes(source, nested)
    return replace(source, read=partial(_with_readable_names, source.read))


def _open(dataset: str, tree: Tree, unpacked: Path, majority: bool) -> Source:
    openers: Mapping[str, Callable[[Tree], Source]] = {
        **_OPENERS,
        "ferplus": partial(ferplus.open_source, majority=majority),
    }
    try:
        source = openers[dataset](tree)
        # Often only one part was unpacked by hand.
        if Split.TEST in source.splits:
            return source
    except ArchiveError:
        nested = with_nested(tree, _NESTED[dataset], unpacked)
        if nested is tree:
            raise
        return openers[dataset](nested)
    nested = with_nested(tree, _NESTED[dataset], unpacked)
    return source if nested is tree else openers[dataset](nested)


def _hint(dataset: str, tree: Tree) -> str:
    """Return what a tree holds instead of this dataset, if it is recognised."""
    if not (tree.files("") or tree.folders("")):
        return ". It is empty"
    for other, opener in _OPENERS.items():
        if other != dataset:
            with suppress(ArchiveError):
                opener(tree)
                return f". It holds {label_space(other).title}: --{other}"
    return ""


def _with_readable_names(
    read: Callable[[Split], Iterator[Sample | Skipped]], split: Split
) -> Iterator[Sample | Skipped]:
    """Skip files whose names are not UTF-8, since rows cannot hold them."""
    for entry in read(split):
        name = entry.member if isinstance(entry, Sample) else entry.name
        shown = name.encode(errors="backslashreplace").decode()
        if shown == name:
            yield entry
        else:
            yield Skipped(entry.dataset, shown, "its name is not UTF-8; rename it")
