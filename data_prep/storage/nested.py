"""Archives within a folder or an archive, read as if they were unpacked beside themselves.

RAF-DB hands out `Image/aligned.zip`, SFEW `Train_Aligned_Faces.zip`, and people pack once more what
they downloaded. Files on disk are read in place; archives within archives are unpacked once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import IO

import xxhash

from data_prep.errors import ArchiveError
from data_prep.storage.packed import PARTS, SUFFIXES, copy_within, open_tree, unpack_first
from data_prep.storage.tree import DAMAGE, MAX_DEPTH, Tree, join
from unifer_tasks.support.files import atomic_write

_MAX_NESTING = 3
"""How many archives may be packed in one another."""


_COPY = re.compile(r"( ?\(\d+\)|-\d{8}T\d{6}Z(-\d+)+| - copy| copy)+$", re.IGNORECASE)
"""`aligned (1)`, `aligned - Copy`, `aligned-20240131T101500Z-001`."""


@dataclass(frozen=True, slots=True)
class _Mount:
    """An archive's files, under the folder that unpacking it would make.

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
    """A tree with the archives in it shown as folders; the outer tree's own files count last."""

    def __init__(self, outer: Tree, mounts: Sequence[_Mount]) -> None:
        super().__init__(outer.path)
        self._layers = (*mounts, _Mount("", outer, ""))

    def _views(self, name: str) -> Iterator[tuple[Tree, str]]:
        """Yield the trees that may hold a name, and what it is called there."""
        for layer in self._layers:
            inner = layer.inner(name)
            if inner is not None:
                yield layer.tree, inner

    def _contents(self, folder: str) -> tuple[Sequence[str], Sequence[str]]:
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
        # The outer tree, which comes last, says what is wrong with a name that no tree has.
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
        wanted: Patterns of names without their endings, in lower case, of the archives to open. An
            archive that is all a tree holds is opened whatever it is called.
        unpacked: As in `open_tree`.
        depth: How many archives this one is in, and itself.

    Returns:
        The tree itself if there is none in it.

    Raises:
        ArchiveError: Such an archive is damaged, unsafe or of a kind that is not read.
    """
    if depth > _MAX_NESTING:
        return tree
    mounts = [_mount(tree, found, wanted, unpacked, depth) for found in _archives(tree, wanted)]
    return NestedTree(tree, mounts) if mounts else tree


@dataclass(frozen=True, slots=True)
class _Archive:
    """An archive's name in a tree, and whether it only wraps what belongs in its place."""

    name: str
    is_wrapping: bool


def _archives(tree: Tree, wanted: Sequence[str]) -> Iterator[_Archive]:
    level = [""]
    for _ in range(MAX_DEPTH):
        for folder in level:
            files = tree.files(folder)
            for file in files:
                if not file.lower().endswith((*SUFFIXES, *PARTS)):
                    continue
                is_alone = len(files) == 1 and not tree.folders(folder)
                is_wanted = _is_wanted(file, wanted)
                if is_alone or is_wanted:
                    yield _Archive(join(folder, file), is_wrapping=not is_wanted)
        level = [join(folder, inner) for folder in level for inner in tree.folders(folder)]


def _is_wanted(file: str, wanted: Iterable[str]) -> bool:
    return any(fnmatchcase(_stem(file).lower(), pattern) for pattern in wanted)


def _stem(file: str) -> str:
    """Return a name without endings and without what a browser or a cloud drive adds to it."""
    return _COPY.sub("", file.partition(".")[0])


def _mount(
    outer: Tree, archive: _Archive, wanted: Sequence[str], unpacked: Path, depth: int
) -> _Mount:
    path = _on_disk(outer, archive.name, unpacked)
    tree = with_nested(open_tree(path, unpacked), wanted, unpacked, depth + 1)
    parent, _, file = archive.name.rpartition("/")
    folders = tree.folders("")
    inner = folders[0] if len(folders) == 1 and not tree.files("") else ""
    if archive.is_wrapping:
        return _Mount(parent, tree, inner)
    # Packed with the folder of its name or without: both unpack to that folder.
    same = inner.lower() == _stem(file).lower()
    return _Mount(join(parent, _stem(file)), tree, inner if same else "")


def _on_disk(outer: Tree, name: str, unpacked: Path) -> Path:
    """Return the path of an archive within a tree; copied out once if the tree is itself packed."""
    if PurePosixPath(name).suffix.lower() in PARTS:
        raise ArchiveError(unpack_first(outer.path / name))
    if outer.folder is not None:
        # Opened, and so refused if it is a link that leads out.
        outer.open(name).close()
        return outer.folder / name
    digest = xxhash.xxh3_64_hexdigest(f"{name} {outer.stamp(name)}".encode())
    file = PurePosixPath(name).name
    path = unpacked / f"{_stem(file)}-{digest}{file[len(_stem(file)) :]}"
    if not path.exists():
        try:
            with atomic_write(path) as partial:
                with outer.open(name) as source, partial.open("wb") as target:
                    copy_within(source, target, outer.path.stat().st_size, outer.path)
                # Findings depend on a tar's time: copied out again, it is the same file.
                os.utime(partial, (0, 0))
        except DAMAGE as error:
            raise ArchiveError(
                f"{outer.path} is damaged: {name}: {error}; download it again"
            ) from None
    return path
