"""A folder as a tree, whose files never lie outside of it."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import IO

from data_prep.support.errors import ArchiveError, DamagedError
from data_prep.support.tree import Tree, is_clutter

_MAX_NAME = 255
"""Bytes of a name in a folder, on the usual file systems."""

_MAX_PATH = 1024
"""Characters of a path below the root; Linux takes 4,096 bytes of a whole one."""


def _can_exist(name: str) -> bool:
    """Return whether a file system can hold such a name; looking up any other is an error."""
    return (
        "\0" not in name
        and len(name) <= _MAX_PATH
        and all(len(os.fsencode(part)) <= _MAX_NAME for part in name.split("/"))
    )


class FolderTree(Tree):
    """Files below a folder. Links may not lead out of it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.folder = self._root = path.resolve()
        self._holds = lru_cache(maxsize=4096)(
            lambda folder: (self._root / folder).resolve().is_relative_to(self._root)
        )

    def _list(self, folder: str) -> tuple[Sequence[str], Sequence[str]]:
        path = self._inside(folder) if _can_exist(folder) else None
        if path is None or not path.is_dir():
            return (), ()
        files: list[str] = []
        folders: list[str] = []
        # Unlike `Path.iterdir`, this tells folders from files without a call for each.
        with os.scandir(path) as entries:
            for entry in entries:
                if is_clutter(entry.name):
                    continue
                (folders if _is_folder(entry) else files).append(entry.name)
        return sorted(files), sorted(folders)

    def _has(self, name: str) -> bool:
        return _can_exist(name) and (self._root / name).is_file()

    def _open(self, name: str) -> IO[bytes]:
        path = self._inside(name)
        try:
            # Opening a pipe would block.
            if not stat.S_ISREG(path.stat().st_mode):
                raise DamagedError(f"cannot be read: {path} is not a regular file")
            return path.open("rb")
        except OSError as error:
            raise DamagedError(f"cannot be read: {path}: {error.strerror}") from None

    def _stamp(self, name: str) -> str:
        try:
            status = (self._root / name).stat()
        except OSError:
            # A link to nothing is reported when it is read.
            return "unreadable"
        return f"{status.st_size}-{status.st_mtime_ns}"

    def _inside(self, name: str) -> Path:
        folder, _, last = name.rpartition("/")
        path = self._root / name
        # Following every link of every path costs as much as decoding a small image.
        if self._holds(folder) and last != ".." and not path.is_symlink():
            return path
        try:
            real = path.resolve()
        except RuntimeError:
            raise DamagedError(f"cannot be read: {path} is a link that leads to itself") from None
        if not real.is_relative_to(self._root):
            raise ArchiveError(
                f"{path} leads out of {self._root} to {real}; name the folder that really holds "
                "the files, or copy them in (`cp -rL`)"
            )
        return path


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A link that leads to itself.
        return False
