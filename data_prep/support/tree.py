"""Files below one root, in a folder or an archive, and how they are found and read.

Names are relative and use `/`.
"""

from __future__ import annotations

import csv
import io
import tarfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, count
from pathlib import Path, PurePosixPath
from typing import IO

from data_prep.support.errors import ArchiveError, DamagedError, ListError, brief

MAX_IMAGE_BYTES = 64 * 2**20
"""Maximum size of an image file; no image of these datasets comes close."""

MAX_LIST_BYTES = 2**30
MAX_LINE = 2**20
MAX_LINES = 10**6
"""Maximum size of a list: over twice the longest, those of AffectNet and FER2013."""

MAX_DEPTH = 4
"""How many folders deep a layout is searched for."""

DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError)
"""Exceptions that a broken zip or tar raises."""

_CLUTTER = frozenset(
    (
        "__macosx",
        "thumbs.db",
        "ehthumbs.db",
        "ehthumbs_vista.db",
        "desktop.ini",
        "icon\r",
        "lost+found",
        "$recycle.bin",
        "system volume information",
        "found.000",
        "@eadir",
        "@__thumb",
        "@recycle",
        "#recycle",
        "#snapshot",
    )
)
"""Names that macOS, Windows, Linux and storage appliances leave in folders, in lower case."""

_IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
"""Extensions of images, in lower case."""

# Characters of one field of a list, as csv has it by default.
_MAX_FIELD = 1 << 17
_ZONE = "zone.identifier"
"""The end of the name of the note that Windows keeps beside a downloaded file."""


def is_clutter(name: str) -> bool:
    """Return whether the system left a file or folder of this name, which is then not data.

    Hidden ones (`._face.png`, `.DS_Store`, `.ipynb_checkpoints`) are clutter.
    """
    lower = name.lower()
    return lower.startswith((".", "~$")) or lower in _CLUTTER or lower.endswith(_ZONE)


def is_image(name: str) -> bool:
    """Return whether a file is an image by its extension."""
    return name.lower().endswith(_IMAGES)


@dataclass(frozen=True, slots=True)
class _Index:
    """What a folder holds, by names as another system may have changed them.

    Attributes:
        by_name: A name, as it is and in lower case -> the name. Of two that differ in case alone,
            each is found as it is.
        by_stem: The lower-case stem of a file -> its name; an image comes before other files.
        folders: Those of the names that are folders.
        alone: A folder that is all that it holds; None if there are files or other folders.
    """

    by_name: Mapping[str, str]
    by_stem: Mapping[str, str]
    folders: frozenset[str]
    alone: str | None

    @classmethod
    def of(cls, files: Sequence[str], folders: Sequence[str]) -> _Index:
        """Index the sorted names of a folder."""
        names = [*reversed(folders), *reversed(files)]
        by_name = {name.lower(): name for name in names} | {name: name for name in names}
        by_stem = {stem(name).lower(): name for name in reversed(files)}
        images = {stem(name).lower(): name for name in reversed(files) if is_image(name)}
        alone = folders[0] if len(folders) == 1 and not files else None
        return cls(by_name, by_stem | images, frozenset(folders), alone)

    def find(self, name: str) -> str | None:
        return self.by_name.get(name) or self.by_name.get(name.lower())


class Tree(ABC):
    """Files below one root, those that are clutter left out of every listing.

    Attributes:
        path: The folder or archive.
        folder: The absolute folder below which every file lies under its own name; None where
            some are packed.
    """

    folder: Path | None = None

    def __init__(self, path: Path) -> None:
        self.path = path
        # Few folders: a listing can be as long as AffectNet's training set.
        self._contents = lru_cache(maxsize=16)(self._list)
        self._index = lru_cache(maxsize=16)(lambda folder: _Index.of(*self._contents(folder)))

    @abstractmethod
    def _list(self, folder: str) -> tuple[Sequence[str], Sequence[str]]:
        """Return the sorted names of the files and of the folders directly in a folder."""

    @abstractmethod
    def _has(self, name: str) -> bool: ...

    @abstractmethod
    def _open(self, name: str) -> IO[bytes]: ...

    @abstractmethod
    def _stamp(self, name: str) -> str: ...

    def files(self, folder: str) -> Sequence[str]:
        """Return the sorted names of the files directly in a folder; none if there is no folder."""
        return self._contents(folder)[0]

    def folders(self, folder: str) -> Sequence[str]:
        """Return the sorted names of the folders directly in a folder."""
        return self._contents(folder)[1]

    def has(self, name: str) -> bool:
        """Return whether there is such a file."""
        return self._has(name)

    def open(self, name: str) -> IO[bytes]:
        """Open a file.

        Raises:
            ArchiveError: It is absent or lies outside of the root.
        """
        return self._open(name)

    def stamp(self, name: str) -> str:
        """Return a value that changes with a file's bytes: its size with its time or checksum."""
        return self._stamp(name)

    def read(self, name: str) -> bytes:
        """Read an image's bytes, `MAX_IMAGE_BYTES` and one more at most.

        Raises:
            DamagedError: It cannot be read.
            ArchiveError: As `open`.
        """
        with self.open(name) as file:
            try:
                return file.read(MAX_IMAGE_BYTES + 1)
            except (*DAMAGE, OSError) as error:
                raise DamagedError(f"cannot be read from {self.path}: {error}") from None

    def try_read(self, name: str) -> bytes | str:
        """Read an image's bytes, or return why they cannot be read.

        Raises:
            ArchiveError: The file lies outside of the root.
        """
        try:
            return self.read(name)
        except DamagedError as error:
            return str(error)

    def lines(self, name: str) -> Iterator[str]:
        """Yield the lines of a text file: UTF-8 with or without a byte-order mark, any line ends.

        Bytes that are not UTF-8 are replaced, so that the error names the row.

        Raises:
            ArchiveError: It is longer than any list of these datasets, damaged, or UTF-16.
        """
        left = MAX_LIST_BYTES
        with io.TextIOWrapper(self.open(name), encoding="utf-8-sig", errors="replace") as text:
            try:
                for number in count(1):
                    line = text.readline(MAX_LINE + 1)
                    left -= len(line)
                    if len(line) > MAX_LINE or left < 0 or number > MAX_LINES:
                        raise ArchiveError(
                            f"{self.path}: {name} is longer than any list of these datasets; "
                            "download it again"
                        )
                    if number == 1 and ("\0" in line or line.startswith("\ufffd\ufffd")):
                        raise ArchiveError(f"{self.path}: {name} is not UTF-8; save it as UTF-8")
                    if not line:
                        return
                    yield line
            except (*DAMAGE, OSError) as error:
                raise ListError(f"{self.path}: {name} cannot be read: {error}") from None

    def table(self, name: str) -> Iterator[tuple[int, list[str]]]:
        """Yield number and cells of each row of a CSV file, from 1; blank ones are left out.

        Raises:
            ArchiveError: As `lines`; or it is not CSV.
        """
        # A process-wide limit that other packages raise.
        csv.field_size_limit(_MAX_FIELD)
        rows = csv.reader(self.lines(name), skipinitialspace=True)
        try:
            for number, row in enumerate(rows, start=1):
                if number == 1 and row and ";" in row[0]:
                    # As spreadsheets save it in countries with a decimal comma.
                    raise ListError(f"{self.path}: {name} has semicolons between its columns")
                if row:
                    yield number, row
        except csv.Error as error:
            raise ListError(f"{self.path}: {name}, line {rows.line_num}: {error}") from None

    def records(
        self, name: str, required: Sequence[str], otherwise: Sequence[str] = ()
    ) -> Iterator[tuple[int, Mapping[str, str]]]:
        """Yield number and cells of each row of a CSV file, by the columns of its header.

        Args:
            name: The file.
            required: Columns that it has, in lower case; others are kept. They may be in any case
                and order.
            otherwise: The columns, in lower case, of a file whose first row is not a header;
                without them, it must be one.

        Raises:
            ArchiveError: As `table`; a column is missing, or a row has more or fewer cells.
        """
        rows = self.table(name)
        first = next(rows, None)
        if first is None:
            return
        columns = [cell.strip().lower() for cell in first[1]]
        if otherwise and not set(required) & set(columns):
            rows, columns = chain([first], rows), list(otherwise)
        elif lacking := [column for column in required if column not in columns]:
            raise ListError(
                f"{self.path}: {name} has the columns {brief(first[1])} and lacks "
                f"{' and '.join(lacking)}"
            )
        for number, row in rows:
            if len(row) != len(columns):
                raise ListError(
                    f"{self.path}: {name}, row {number} has {len(row)} columns, {len(columns)} "
                    "are expected"
                )
            yield number, dict(zip(columns, row, strict=True))

    def resolve(self, folder: str, name: str) -> str | None:
        """Find an image below a folder, in any case and with any extension.

        Returns:
            The file as the tree spells it; None if there is none. The name as it is comes first,
            then it in another case, then an image of that stem, then any file of that stem.

        Raises:
            ArchiveError: The name leads out of the root.
        """
        if self.has(whole := join(folder, name)):
            return whole
        inner, _, last = name.rpartition("/")
        # The folder as it is comes first, which also rejects a name that leads out of the root.
        for place in (join(folder, inner), self.find_in(folder, inner) if inner else None):
            if place is None:
                continue
            index = self._index(place)
            found = index.find(last) or index.by_stem.get(stem(last).lower())
            if found is not None:
                return join(place, found)
        return None

    def levels(self) -> Iterator[Sequence[str]]:
        """Yield the root and then the folders of each level below it, `MAX_DEPTH` at most.

        Each level costs a listing of all its folders, so callers stop as soon as they can.
        """
        level = [""]
        for _ in range(MAX_DEPTH + 1):
            yield level
            level = [join(folder, inner) for folder in level for inner in self.folders(folder)]

    def find_with_root(self, name: str) -> Iterator[tuple[str, str]]:
        """Yield the folders below which a relative name exists, and where that is (see `find`)."""
        for level in self.levels():
            for folder in level:
                if (found := self.find_in(folder, name)) is not None:
                    yield folder, found

    def find(self, name: str) -> Iterator[str]:
        """Yield the places where a relative name, in any case, exists, nearest the root first."""
        return (found for _, found in self.find_with_root(name))

    def find_first(self, name: str) -> str | None:
        """Return the place nearest the root where a relative name exists, if any."""
        return next(self.find(name), None)

    def find_in(self, folder: str, name: str) -> str | None:
        """Return a file or folder below a folder, as the tree spells it; None if there is none.

        A part of the name that is not there as it is may differ in case, since archives that were
        packed again on Windows often do. A folder that holds nothing but one of its own name is
        skipped, since Windows unpacks `Val.zip` to `Val/Val`.
        """
        found = folder
        for part in name.split("/"):
            index = self._index(found)
            spelled = index.find(part)
            if spelled is None:
                return None
            found = join(found, spelled)
            while spelled in index.folders:
                index = self._index(found)
                if index.alone is None or index.alone.lower() != spelled.lower():
                    break
                found, spelled = join(found, index.alone), index.alone
        return found


def join(folder: str, name: str) -> str:
    """Join two relative names, either of which may be empty."""
    return f"{folder}/{name}" if folder and name else folder or name


def stem(name: str) -> str:
    """Return a file's name without its extension."""
    return PurePosixPath(name).stem
