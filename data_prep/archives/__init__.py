"""One reader a dataset: an official archive, or a folder unpacked from it, to samples.

A reader knows the layouts that its dataset is handed out in and nothing else. It names images
and never decodes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from data_prep.archives import affectnet, ferplus, rafdb, sfew
from data_prep.archives.samples import Sample, Skipped, Source, Split
from data_prep.archives.tree import ArchiveError, Tree, open_tree

__all__ = [
    "ArchiveError",
    "Sample",
    "Skipped",
    "Source",
    "Split",
    "Tree",
    "open_source",
    "open_tree",
]

_OPENERS: Mapping[str, Callable[[Tree], Source]] = MappingProxyType(
    {
        "rafdb": rafdb.open_source,
        "ferplus": ferplus.open_source,
        "affectnet": affectnet.open_source,
        "sfew": sfew.open_source,
    }
)


def open_source(dataset: str, path: Path, *, majority: bool = False) -> Source:
    """Opens a dataset's archive and finds out which layout it has.

    Args:
        dataset: The dataset's key.
        path: A folder, a zip or a tar.
        majority: Label FERPlus by the majority rule of its paper, not as FERBench does.

    Raises:
        ArchiveError: The path holds no layout of that dataset; the message lists those known.
    """
    tree = open_tree(path)
    if dataset == "ferplus":
        return ferplus.open_source(tree, majority=majority)
    return _OPENERS[dataset](tree)
