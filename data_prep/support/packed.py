"""A zip, a tar or a 7z, read like a folder.

An archive that holds an absolute name, a `..` or a link is rejected as a whole: no
dataset is packed that way by accident. Zips and plain tars are read in place; archives without
random access are unpacked once, to a folder below the output.
"""

from __future__ import annotations

import lzma
import re
import shlex
import shutil
import stat
import tarfile
import tempfile
import zipfile
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import IO, Generic, TypeVar, cast

import xxhash

from data_prep.support.errors import ArchiveError, DamagedError
from data_prep.support.folder import FolderTree
from data_prep.support.tree import DAMAGE, Tree, is_clutter
from unifer_tasks.support.extras import ARCHIVES
from unifer_tasks.support.files import atomic_write

Member = TypeVar("Member")

SUFFIXES = (
    *(".zip", ".7z", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".tbz2", ".tar.xz", ".txz"),
    ".zst",
)
"""Extensions of archives; their first bytes say whether one can be read."""

PARTS = (".rar", ".001", ".z01")
"""Extensions of unsupported archives, including those in several parts."""

UNPACKED = ".unpacked"
"""The folder below an output for archives that are unpacked to be read."""

MAX_RATIO = 100
"""Maximum ratio of unpacked to packed size; an archive above it counts as a bomb."""

_DAMAGED_7Z = (lzma.LZMAError, EOFError, ValueError, KeyError, TypeError, IndexError)
"""Exceptions that a broken 7z raises besides those of py7zr."""

_ENCRYPTED = 0x1
"""The flag bit of an encrypted zip member."""

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
"""Zip compression methods that Python supports."""

_UNSAFE = "not read; download it from the dataset's authors"
"""How messages about unsafe archives end."""

_SMALL = 64 * 2**20
"""Bytes that any archive may unpack to, however small it is."""


def open_tree(path: Path, unpacked: Path | None = None) -> Tree:
    """Open a folder, a zip, a tar, compressed or not, or a 7z.

    Args:
        path: The folder or archive.
        unpacked: Folder for archives that cannot be read in place, each unpacked once; None for a
            temporary folder.

    Raises:
        ArchiveError: It is missing, unsupported, damaged or unsafe.
    """
    if path.is_dir():
        return FolderTree(path)
    if not path.exists():
        raise ArchiveError(f"{path} does not exist")
    if not path.is_file():
        raise ArchiveError(f"{path} is neither a folder nor a regular file")
    kind = _kind(path)
    reject_parts(path)
    if kind in _BY_HAND:
        raise ByHandError(path, f"is a {kind} file and can only be read once it is unpacked")
    if kind == "html":
        raise ArchiveError(
            f"{path} is a web page, as a site sends it that wants a log-in or a confirmation; "
            "download the archive itself, in a browser"
        )
    unpacked = unpacked or scratch()
    try:
        if path.suffix.lower() == ".7z" or kind == "7z":
            return FolderTree(unpack_7z(path, unpacked))
        # Checked first: `is_zipfile` accepts a tar that ends with a zip.
        if tarfile.is_tarfile(path):
            return TarTree(path, unpacked)
        if zipfile.is_zipfile(path):
            return ZipTree(path)
    except DAMAGE as error:
        raise ArchiveError(f"{path} is damaged ({error}); download it again") from None
    raise ArchiveError(
        f"{path} is not a folder, zip, tar or 7z; if it is an interrupted download, download "
        "it again; if it is a file of a dataset, name the folder that holds it"
    )


_MARKS: Mapping[bytes, str] = {
    b"rar!": "rar",
    b"7z\xbc\xaf": "7z",
    b"\x28\xb5\x2f\xfd": "zst",
    b"<!do": "html",
    b"<htm": "html",
}
"""The first four bytes of a file, in lower case -> its kind, whatever its name says."""

_BY_HAND = ("rar", "zst")


def _kind(path: Path) -> str | None:
    with path.open("rb") as file:
        return _MARKS.get(file.read(4).lower())


_ENDINGS = re.compile(
    r"(\.part\d+)?(\.(zip|tar|gz|tgz|bz2|xz|zst|7z|rar|z01|\d{3}))+$", re.IGNORECASE
)


class ByHandError(ArchiveError):
    """An archive can only be read once a person has unpacked it.

    Attributes:
        reason: Why, as what follows its name.
    """

    def __init__(self, path: Path, reason: str) -> None:
        folder = _ENDINGS.sub("", path.name)
        folder += "_files" if folder == path.name else ""
        super().__init__(
            f"{path} {reason}; unpack it, `7z x {shlex.quote(path.name)} -o{shlex.quote(folder)}`, "
            "and give that folder, or the one around it where a dataset has several archives"
        )
        self.reason = reason


def reject_parts(path: Path) -> None:
    """Check by its extension that a file is not one of `PARTS`.

    Raises:
        ByHandError: It is.
    """
    if path.suffix.lower() in PARTS:
        raise ByHandError(
            path,
            "can only be read once it is unpacked (from the first of several parts, 7z finds the "
            "others)",
        )


_LOCKED = "asks for a password, which its authors sent you"


def unpacked_name(path: Path) -> str:
    """Return the folder name of an unpacked archive, which changes with the file."""
    status = path.stat()
    digest = xxhash.xxh3_64_hexdigest(f"{status.st_size}-{status.st_mtime_ns}".encode())
    return f"{path.name.partition('.')[0]}-{digest}"


def copy_within(source: IO[bytes], target: IO[bytes], packed_size: int, path: Path) -> None:
    """Copy a stream, up to what an archive of that size may hold.

    Raises:
        ArchiveError: It holds more.
    """
    left = limit(packed_size)
    while chunk := source.read(min(2**20, left + 1)):
        left -= len(chunk)
        if left < 0:
            raise ArchiveError(bomb(path))
        target.write(chunk)


def limit(packed_size: int) -> int:
    """Return how many bytes an archive of a given size may unpack to."""
    return MAX_RATIO * packed_size + _SMALL


def bomb(path: Path) -> str:
    """Return the message for an archive that unpacks to too much."""
    return f"{path} unpacks to more than {MAX_RATIO} times its size, as no images do; {_UNSAFE}"


def safe_name(name: str, path: Path) -> str:
    """Return a member's name with `/`.

    Raises:
        ArchiveError: The name leads out of the archive.
    """
    # Some Windows programs pack with backslashes.
    parts = name.replace("\\", "/").removeprefix("./").split("/")
    if parts[0] == "" or parts[0].endswith(":") or ".." in parts:
        raise ArchiveError(f"{path} holds {name!r}, which leads out of it; {_UNSAFE}")
    return "/".join(parts)


def unpack_7z(path: Path, unpacked: Path) -> Path:
    """Unpack a 7z, once, and return the folder.

    Raises:
        ArchiveError: py7zr is not installed, or the archive is damaged, encrypted or unsafe.
    """
    folder = unpacked / unpacked_name(path)
    if folder.is_dir():
        return folder
    try:
        import py7zr
    except ImportError:
        raise ByHandError(
            path, f"is a 7z, and no py7zr is there to read it ({ARCHIVES.install})"
        ) from None
    # A killed run may have left a partial folder.
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with py7zr.SevenZipFile(path, max_extract_size=limit(path.stat().st_size)) as archive:
            members = archive.list()
            for member in members:
                safe_name(member.filename, path)
                if not (member.is_file or member.is_directory):
                    raise ArchiveError(f"{path} holds {member.filename!r}, a link; {_UNSAFE}")
            _check_space(unpacked, sum(member.uncompressed for member in members), path)
            partial.mkdir(parents=True)
            archive.extractall(partial)
    except py7zr.exceptions.DecompressionBombError:
        raise ArchiveError(bomb(path)) from None
    except py7zr.exceptions.PasswordRequired:
        raise ByHandError(path, _LOCKED) from None
    except (py7zr.exceptions.ArchiveError, *_DAMAGED_7Z) as error:
        raise ArchiveError(f"{path} is damaged ({error!r}); download it again") from None
    partial.rename(folder)
    return folder


def _check_space(folder: Path, needed: int, path: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ArchiveError(
            f"{path} needs {needed / 2**30:.1f} GiB unpacked below {folder}, {free / 2**30:.1f} "
            "are free; choose an output on another disk"
        )


def scratch() -> Path:
    """Return a temporary folder to unpack to, removed when the process ends."""
    return Path(_scratch().name)


@cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="unifer-data-")


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

    def _list(self, folder: str) -> tuple[Sequence[str], Sequence[str]]:
        return self._folders.get(folder, ((), ()))

    def _has(self, name: str) -> bool:
        return name in self._members

    @abstractmethod
    def _content(self, member: Member) -> object:
        """Return what is equal for copies of a file."""

    def _add(self, name: str, member: Member) -> None:
        """List a member, unless it is clutter.

        Raises:
            ArchiveError: Another member has the same name.
        """
        if any(map(is_clutter, name.split("/"))):
            return
        if self._content(self._members.setdefault(name, member)) != self._content(member):
            raise ArchiveError(
                f"{self.path} holds two different files named {name}, and it is unclear which "
                "one counts; unpack it, and name that folder"
            )


class ZipTree(_PackedTree[zipfile.ZipInfo]):
    """Files in a zip."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._zip = zipfile.ZipFile(path)
        for info in self._zip.infolist():
            name = safe_name(info.filename, path)
            if stat.S_ISLNK(info.external_attr >> 16):
                raise ArchiveError(f"{path} holds the link {name!r}; {_UNSAFE}")
            if not info.is_dir():
                self._add(name, info)
        for name, info in self._members.items():
            if info.flag_bits & _ENCRYPTED:
                raise ByHandError(path, _LOCKED)
            if info.compress_type not in _METHODS:
                raise ByHandError(
                    path,
                    f"holds {name}, which is packed by method {info.compress_type}, as large zips "
                    "of Windows are, and which Python does not read",
                )

    def _open(self, name: str) -> IO[bytes]:
        if name not in self._members:
            raise ArchiveError(f"{self.path} holds no {name}")
        try:
            return self._zip.open(self._members[name])
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
            raise DamagedError(f"cannot be read from {self.path}: {name}: {error}") from None

    def _content(self, member: zipfile.ZipInfo) -> object:
        return f"{member.file_size}-{member.CRC:08x}"

    def _stamp(self, name: str) -> str:
        return str(self._content(self._members[name]))


class TarTree(_PackedTree[tarfile.TarInfo]):
    """Files in a tar. A compressed one is decompressed once."""

    def __init__(self, path: Path, unpacked: Path) -> None:
        super().__init__(path)
        self._of_file = f"{path.stat().st_size}-{path.stat().st_mtime_ns}"
        self._tar = _seekable_tar(path, unpacked)
        for info in self._tar:
            name = safe_name(info.name, path)
            if not (info.isfile() or info.isdir()):
                raise ArchiveError(f"{path} holds {name!r}, a link or device; {_UNSAFE}")
            if info.isfile():
                self._add(name, info)

    def _open(self, name: str) -> IO[bytes]:
        file = self._tar.extractfile(self._members[name]) if name in self._members else None
        if file is None:
            raise ArchiveError(f"{self.path} holds no {name}")
        return file

    def _content(self, member: tarfile.TarInfo) -> object:
        # A tar has no checksums; the same file added twice has the same time.
        return member.mtime, member.size

    def _stamp(self, name: str) -> str:
        info = self._members[name]
        return f"{info.size}-{info.offset_data}-{self._of_file}"


def _seekable_tar(path: Path, unpacked: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(path, "r:")
    except tarfile.ReadError:
        # Members are read in any order, and seeking backwards in a compressed stream restarts it.
        plain = unpacked / f"{unpacked_name(path)}.tar"
        if not plain.exists():
            with atomic_write(plain) as partial, tarfile.open(path) as packed:
                stream = cast(IO[bytes], packed.fileobj)
                stream.seek(0)
                with partial.open("wb") as file:
                    copy_within(stream, file, path.stat().st_size, path)
        return tarfile.open(plain, "r:")
