"""Archives inside a folder or another archive, read as if they had been unpacked in place.

RAF-DB ships `Image/aligned.zip`, SFEW `Train_Aligned_Faces.zip`, and people repack what they
downloaded. Archives on disk are read in place; archives inside archives are extracted once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import IO

import xxhash

from data_prep.support.errors import ArchiveError
from data_prep.support.packed import (
    PARTS,
    SUFFIXES,
    ByHandError,
    copy_within,
    open_tree,
    reject_parts,
)
from data_prep.support.tree import DAMAGE, Tree, join
from unifer_tasks.support.files import atomic_write

_MAX_NESTING = 3
"""How deeply archives may be nested."""

_COPY = re.compile(r"( ?\(\d+\)|-\d{8}T\d{6}Z(-\d+)+|( -)? copy|(?<=[a-z]) \d)+$", re.IGNORECASE)
"""`aligned (1)`, `aligned - Copy`, `aligned copy 2`, `aligned-20240131T101500Z-001`."""


@dataclass(frozen=True, slots=True)
class _Mount:
    """An archive's files, below the folder that unpacking it would create.

    Attributes:
        at: The folder's name in the outer tree.
        tree: The archive.
        root: The folder of the archive that is shown there.
    """

    at: str
    tree: Tree
    root: str

    def inner(self, name: str) -> str | None:
        """Return the archive's own name for a file or folder; None if it is not below `at`."""
        if not self.at:
            return join(self.root, name)
        if name == self.at:
            return self.root
        below = name.removeprefix(f"{self.at}/")
        return None if below == name else join(self.root, below)


class NestedTree(Tree):
    """A tree with its archives shown as folders, whose files take precedence over its own."""

    def __init__(self, outer: Tree, mounts: Sequence[_Mount]) -> None:
        super().__init__(outer.path)
        self._layers = (*mounts, _Mount("", outer, ""))

    def _views(self, name: str) -> Iterator[tuple[Tree, str]]:
        """Yield the trees that may hold a name, with its name in each."""
        for layer in self._layers:
            inner = layer.inner(name)
            if inner is not None:
                yield layer.tree, inner

    def _list(self, folder: str) -> tuple[Sequence[str], Sequence[str]]:
        files: set[str] = set()
        folders: set[str] = set()
        for tree, inner in self._views(folder):
            files.update(tree.files(inner))
            folders.update(tree.folders(inner))
        for layer in self._layers:
            parent, _, last = layer.at.rpartition("/")
            if last and parent == folder:
                folders.add(last)
        return sorted(files), sorted(folders)

    def _has(self, name: str) -> bool:
        return any(tree.has(inner) for tree, inner in self._views(name))

    def _holder(self, name: str) -> tuple[Tree, str]:
        views = list(self._views(name))
        # For a name that no tree has, the outer tree, which comes last, raises the error.
        return next((view for view in views if view[0].has(view[1])), views[-1])

    def _open(self, name: str) -> IO[bytes]:
        tree, inner = self._holder(name)
        return tree.open(inner)

    def _stamp(self, name: str) -> str:
        tree, inner = self._holder(name)
        return tree.stamp(inner)


def with_nested(tree: Tree, wanted: Sequence[str], unpacked: Path, depth: int = 1) -> Tree:
    """Show the archives that a tree holds near its root as folders.

    Args:
        tree: A folder or an archive.
        wanted: Lower-case patterns for the names of archives to open, without extensions. An
            archive that is the only file of a tree is opened whatever its name.
        unpacked: As in `open_tree`.
        depth: The nesting depth of this archive, from 1.

    Returns:
        The tree itself if it holds no such archive.

    Raises:
        ArchiveError: Such an archive is damaged, unsafe or of an unsupported kind.
    """
    if depth > _MAX_NESTING:
        return tree
    mounts = [_mount(tree, name, wanted, unpacked, depth) for name in _archives(tree, wanted)]
    return NestedTree(tree, mounts) if mounts else tree


def _archives(tree: Tree, wanted: Sequence[str]) -> Iterator[str]:
    for folder in chain.from_iterable(tree.levels()):
        files = tree.files(folder)
        is_alone = len(files) == 1 and not tree.folders(folder)
        for file in files:
            is_archive = file.lower().endswith((*SUFFIXES, *PARTS))
            if is_archive and (is_alone or is_wanted(file, wanted)):
                yield join(folder, file)


def is_wanted(file: str, wanted: Iterable[str]) -> bool:
    """Return whether the name of an archive or a folder, without extensions, fits a pattern."""
    return any(fnmatchcase(_bare_name(file).lower(), pattern) for pattern in wanted)


def _bare_name(file: str) -> str:
    """Return a name without extensions and without what browsers and cloud drives append."""
    return _COPY.sub("", file.partition(".")[0])


def _mount(outer: Tree, name: str, wanted: Sequence[str], unpacked: Path, depth: int) -> _Mount:
    try:
        path = _on_disk(outer, name, unpacked)
        tree = with_nested(open_tree(path, unpacked), wanted, unpacked, depth + 1)
    except ByHandError as error:
        if outer.folder is not None:
            raise
        raise ByHandError(outer.path, f"holds {name}, which {error.reason}") from None
    parent, _, file = name.rpartition("/")
    folders = tree.folders("")
    inner = folders[0] if len(folders) == 1 and not tree.files("") else ""
    if not is_wanted(file, wanted):
        # A wrapper, whose name is not that of a folder.
        return _Mount(parent, tree, inner)
    # With or without a top folder of its own name, it unpacks to that folder.
    same = inner.lower() == _bare_name(file).lower()
    return _Mount(join(parent, _bare_name(file)), tree, inner if same else "")


def _on_disk(outer: Tree, name: str, unpacked: Path) -> Path:
    """Return the path of an archive in a tree, extracted once if the tree is itself packed."""
    reject_parts(outer.path / name)
    if outer.folder is not None:
        # Opening it rejects a link that leads outside.
        outer.open(name).close()
        return outer.folder / name
    digest = xxhash.xxh3_64_hexdigest(f"{name} {outer.stamp(name)}".encode())
    file = PurePosixPath(name).name
    path = unpacked / f"{_bare_name(file)}-{digest}{file[len(_bare_name(file)) :]}"
    if not path.exists():
        try:
            with atomic_write(path) as partial:
                with outer.open(name) as source, partial.open("wb") as target:
                    copy_within(source, target, outer.path.stat().st_size, outer.path)
                # Findings depend on a tar's time, which stays the same if it is extracted again.
                os.utime(partial, (0, 0))
        except DAMAGE as error:
            raise ArchiveError(
                f"{outer.path} is damaged: {name}: {error}; download it again"
            ) from None
    return path
