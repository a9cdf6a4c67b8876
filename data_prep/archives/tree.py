"""A folder, a zip or a tar, read alike, and never outside of it.

Names are relative and use `/`. An archive that holds an absolute name, a `..` or a link is
refused as a whole: nobody packs a dataset so by accident.
"""

from __future__ import annotations

import io
import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from typing import IO, Generic, TypeVar, cast

from data_prep.errors import PreparationError

Member = TypeVar("Member")

MAX_IMAGE_BYTES = 64 * 2**20
"""What is read of an image at most; no image of these datasets is near it."""

_MAX_DEPTH = 4
"""How many folders above a layout are looked through for it."""

_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError)

_PACKED = (".7z", ".rar", ".001", ".z01")


class ArchiveError(PreparationError):
    """An archive is absent, of no known layout, damaged or unsafe."""


class DamagedError(ArchiveError):
    """One file of an archive cannot be read."""


class Tree(ABC):
    """Files below one root.

    Attributes:
        path: The folder or archive.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def _contents(self, folder: str) -> tuple[Sequence[str], Sequence[str]]:
        """The sorted names of the files and of the folders directly in a folder."""

    @abstractmethod
    def _has(self, name: str) -> bool: ...

    @abstractmethod
    def _open(self, name: str) -> IO[bytes]: ...

    @abstractmethod
    def _stamp(self, name: str) -> str: ...

    def files(self, folder: str) -> Sequence[str]:
        """The names of the files directly in a folder, sorted; none if there is no folder."""
        return self._contents(folder)[0]

    def folders(self, folder: str) -> Sequence[str]:
        """The names of the folders directly in a folder, sorted."""
        return self._contents(folder)[1]

    def has(self, name: str) -> bool:
        """Tells whether there is such a file."""
        return self._has(name)

    def open(self, name: str) -> IO[bytes]:
        """Opens a file.

        Raises:
            ArchiveError: It is absent or lies outside of the root.
        """
        return self._open(name)

    def stamp(self, name: str) -> str:
        """What changes when a file's bytes do: its size and its time or check sum."""
        return self._stamp(name)

    def on_disk(self, name: str) -> Path | None:
        """The file's own absolute path; None where it is packed and has none."""
        return None

    def read(self, name: str) -> bytes:
        """Reads an image's bytes, `MAX_IMAGE_BYTES` and one more at most.

        Raises:
            DamagedError: It cannot be read.
            ArchiveError: As `open`.
        """
        with self.open(name) as file:
            try:
                return file.read(MAX_IMAGE_BYTES + 1)
            except (*_DAMAGE, OSError) as error:
                raise DamagedError(f"cannot be read from {self.path}: {error}") from None

    def try_read(self, name: str) -> bytes | str:
        """Reads an image's bytes, or says why they cannot be had.

        Raises:
            ArchiveError: The file lies outside of the root.
        """
        try:
            return self.read(name)
        except DamagedError as error:
            return str(error)

    def lines(self, name: str) -> io.TextIOWrapper:
        """Opens a text file: UTF-8 with or without a byte-order mark, any line ends.

        Bytes that are no UTF-8 are replaced, so that what is wrong with a row is said of the row.
        """
        return io.TextIOWrapper(self.open(name), encoding="utf-8-sig", errors="replace")

    def resolve(self, name: str) -> str | None:
        """Finds a file by its folder and stem, whatever its extension; None if there is none."""
        if self.has(name):
            return name
        folder, _, last = name.rpartition("/")
        stem = PurePosixPath(last).stem
        found = [file for file in self.files(folder) if PurePosixPath(file).stem == stem]
        return join(folder, found[0]) if found else None

    def find(self, name: str) -> Iterator[str]:
        """Yields the places where a relative name exists, nearest the root first.

        Looking on costs a listing of every folder, so callers stop at the first that will do.

        Args:
            name: A file or folder, such as `EmoLabel/list_patition_label.txt`.
        """
        first = name.split("/", 1)[0]
        level = [""]
        for _ in range(_MAX_DEPTH):
            for folder in level:
                if first in (*self.folders(folder), *self.files(folder)):
                    whole = join(folder, name)
                    if self.has(whole) or self._has_folder(whole):
                        yield whole
            level = [join(folder, inner) for folder in level for inner in self.folders(folder)]

    def find_first(self, name: str) -> str | None:
        """Returns the place nearest the root where a relative name exists, if any."""
        return next(self.find(name), None)

    def _has_folder(self, name: str) -> bool:
        folder, _, last = name.rpartition("/")
        return last in self.folders(folder)


def join(folder: str, name: str) -> str:
    """Joins two relative names, either of which may be empty."""
    return f"{folder}/{name}" if folder and name else folder or name


def open_tree(path: Path) -> Tree:
    """Opens a folder, a zip or a tar, compressed or not.

    Raises:
        ArchiveError: It is absent, of another kind, damaged or unsafe.
    """
    if path.is_dir():
        return FolderTree(path)
    if not path.exists():
        raise ArchiveError(f"{path} does not exist")
    if path.suffix.lower() in _PACKED:
        raise ArchiveError(
            f"{path} can only be read once it is unpacked: `7z x {path.name} -o{path.stem}`, "
            "then give that folder"
        )
    try:
        if zipfile.is_zipfile(path):
            return ZipTree(path)
        if tarfile.is_tarfile(path):
            return TarTree(path)
    except _DAMAGE as error:
        raise ArchiveError(f"{path} is damaged ({error}); download it again") from None
    raise ArchiveError(f"{path} is no folder, zip or tar; an interrupted download looks like this")


class FolderTree(Tree):
    """Files below a folder. Links may not lead out of it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._root = path.resolve()
        # A few folders at a time: one of AffectNet's lists is as long as its training set.
        self._listing = lru_cache(maxsize=16)(self._list)
        self._holds = lru_cache(maxsize=4096)(
            lambda folder: (self._root / folder).resolve().is_relative_to(self._root)
        )

    def _list(self, folder: str) -> tuple[Sequence[str], Sequence[str]]:
        path = self._inside(folder)
        if not path.is_dir():
            return (), ()
        files: list[str] = []
        folders: list[str] = []
        # Unlike `Path.iterdir`, this knows folders from files without asking about each.
        with os.scandir(path) as entries:
            for entry in entries:
                (folders if entry.is_dir() else files).append(entry.name)
        return sorted(files), sorted(folders)

    def _contents(self, folder: str) -> tuple[Sequence[str], Sequence[str]]:
        return self._listing(folder)

    def _has(self, name: str) -> bool:
        return (self._root / name).is_file()

    def _open(self, name: str) -> IO[bytes]:
        path = self._inside(name)
        try:
            return path.open("rb")
        except OSError as error:
            raise DamagedError(f"cannot be read: {path}: {error.strerror}") from None

    def _stamp(self, name: str) -> str:
        status = (self._root / name).stat()
        return f"{status.st_size}-{status.st_mtime_ns}"

    def on_disk(self, name: str) -> Path:
        """The file's own absolute path."""
        return self._inside(name)

    def _inside(self, name: str) -> Path:
        folder, _, last = name.rpartition("/")
        path = self._root / name
        # Following every link of every path costs as much as decoding a small image.
        plain = self._holds(folder) and last != ".." and not path.is_symlink()
        if not plain and not path.resolve().is_relative_to(self._root):
            raise ArchiveError(
                f"{path} leads out of {self._root}; give the folder that really holds the files"
            )
        return path


class _PackedTree(Tree, Generic[Member]):
    """Files in one archive, whose table of contents is read once."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._members: dict[str, Member] = {}

    @cached_property
    def _folders(self) -> Mapping[str, tuple[list[str], list[str]]]:
        tree: dict[str, tuple[list[str], list[str]]] = {"": ([], [])}
        for name in self._members:
            folder, _, last = name.rpartition("/")
            tree.setdefault(folder, ([], []))[0].append(last)
        for folder in sorted(tree, key=len, reverse=True):
            while folder:
                parent, _, last = folder.rpartition("/")
                inner = tree.setdefault(parent, ([], []))[1]
                if last not in inner:
                    inner.append(last)
                folder = parent
        for files, folders in tree.values():
            files.sort()
            folders.sort()
        return tree

    def _contents(self, folder: str) -> tuple[Sequence[str], Sequence[str]]:
        return self._folders.get(folder, ((), ()))

    def _has(self, name: str) -> bool:
        return name in self._members

    def _safe(self, name: str) -> str:
        """Returns a member's name with `/`, or refuses the archive for it."""
        # Some Windows programs pack with backslashes.
        parts = name.replace("\\", "/").removeprefix("./").split("/")
        if parts[0] == "" or parts[0].endswith(":") or ".." in parts:
            raise ArchiveError(f"{self.path} holds {name!r}, which leads out of it; not read")
        return "/".join(parts)


class ZipTree(_PackedTree[zipfile.ZipInfo]):
    """Files in a zip."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._zip = zipfile.ZipFile(path)
        for info in self._zip.infolist():
            name = self._safe(info.filename)
            if stat.S_ISLNK(info.external_attr >> 16):
                raise ArchiveError(f"{path} holds the link {name!r}; not read")
            if not info.is_dir():
                self._members[name] = info

    def _open(self, name: str) -> IO[bytes]:
        if name not in self._members:
            raise ArchiveError(f"{self.path} holds no {name}")
        try:
            return self._zip.open(self._members[name])
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
            raise DamagedError(f"cannot be read from {self.path}: {name}: {error}") from None

    def _stamp(self, name: str) -> str:
        info = self._members[name]
        return f"{info.file_size}-{info.CRC:08x}"


class TarTree(_PackedTree[tarfile.TarInfo]):
    """Files in a tar. A compressed one is decompressed once, to a file without a name."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._of_file = f"{path.stat().st_size}-{path.stat().st_mtime_ns}"
        self._tar = _seekable_tar(path)
        for info in self._tar:
            name = self._safe(info.name)
            if not (info.isfile() or info.isdir()):
                raise ArchiveError(f"{path} holds {name!r}, a link or device; not read")
            if info.isfile():
                self._members[name] = info

    def _open(self, name: str) -> IO[bytes]:
        file = self._tar.extractfile(self._members[name]) if name in self._members else None
        if file is None:
            raise ArchiveError(f"{self.path} holds no {name}")
        return file

    def _stamp(self, name: str) -> str:
        info = self._members[name]
        return f"{info.size}-{info.offset_data}-{self._of_file}"


def _seekable_tar(path: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(path, "r:")
    except tarfile.ReadError:
        # Members are read in any order, and going back in a compressed stream starts it anew.
        plain = tempfile.TemporaryFile()  # noqa: SIM115
        with tarfile.open(path) as packed:
            stream = cast(IO[bytes], packed.fileobj)
            stream.seek(0)
            shutil.copyfileobj(stream, plain, 2**20)
        plain.seek(0)
        return tarfile.open(fileobj=plain, mode="r:")
