"""`fer2013.csv` as a folder of PNG files.

The file has no names: `fer2013new.csv` names the same rows in the same order. Some names occur
twice there. `label.csv` of FERPlus keeps the votes of the first row, so the first picture is used.
(Microsoft's own script writes both to one file, which keeps the last; which of the two FERBench
shows is unknown.)
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import zip_longest
from typing import IO

from PIL import Image

from data_prep.errors import ArchiveError, ListError, brief
from data_prep.sources.samples import Split
from data_prep.storage.tree import Tree

SIDE = 48
"""Width and height of FER2013's gray faces in pixels."""


class PixelTable(Tree):
    """The images of `fer2013.csv`, by folder and name.

    Pixels are read with the first image and kept: 83 MB for all 35,887 rows.
    """

    def __init__(
        self,
        tree: Tree,
        pixels: str,
        names: str,
        usages: Mapping[Split, str],
        folders: Mapping[Split, str],
    ) -> None:
        super().__init__(tree.path)
        self._tree = tree
        self._pixels = pixels
        self._names = names
        self._folder_of = {usage: folders[split] for split, usage in usages.items()}

    @cached_property
    def _files(self) -> Mapping[str, Sequence[str]]:
        files: dict[str, dict[str, None]] = {folder: {} for folder in self._folder_of.values()}
        for _, usage, name in self._rows():
            if name:
                files[self._folder_of[usage]][name] = None
        return {folder: tuple(sorted(names)) for folder, names in files.items()}

    @cached_property
    def _members(self) -> frozenset[str]:
        return frozenset(
            f"{folder}/{name}" for folder, names in self._files.items() for name in names
        )

    @cached_property
    def _images(self) -> Mapping[str, bytes]:
        images: dict[str, bytes] = {}
        table = self._tree.table(self._pixels)
        columns = [cell.strip() for cell in next(table, (1, []))[1]]
        if not {"pixels", "Usage"} <= set(columns):
            raise ListError(
                f"{self.path}: {self._pixels} has the columns {brief(columns)}; emotion, pixels "
                "and Usage are expected"
            )
        for row, named in zip_longest(table, self._rows()):
            if row is None or named is None:
                raise ArchiveError(
                    f"{self.path}: {self._pixels} and {self._names} differ in length, so rows "
                    "cannot be paired; download both again"
                )
            number, usage, name = named
            where = f"{self.path}: {self._pixels}, row {number}"
            if len(row[1]) != len(columns):
                raise ListError(f"{where} has {len(row[1])} columns, its header has {len(columns)}")
            cells = dict(zip(columns, row[1], strict=True))
            if cells["Usage"] != usage:
                raise ListError(
                    f"{where} is of {brief(cells['Usage'])}, in {self._names} of {usage!r}"
                )
            if name:
                pixels = _parse(cells["pixels"], where)
                images.setdefault(f"{self._folder_of[usage]}/{name}", pixels)
        return images

    def _rows(self) -> Iterator[tuple[int, str, str]]:
        """Yield number, usage and name of each row."""
        for number, row in self._tree.table(self._names):
            if number == 1:
                continue
            if row[0] not in self._folder_of:
                raise ListError(
                    f"{self.path}: {self._names}, row {number}: usage {brief(row[0])} is none of "
                    f"{list(self._folder_of)}"
                )
            yield number, row[0], row[1].strip() if len(row) > 1 else ""

    def _contents(self, folder: str) -> tuple[Sequence[str], Sequence[str]]:
        return self._files.get(folder, ()), () if folder else sorted(self._files)

    def _has(self, name: str) -> bool:
        return name in self._members

    def _open(self, name: str) -> IO[bytes]:
        try:
            pixels = self._images[name]
        except KeyError:
            raise ArchiveError(f"{self.path}: {self._pixels} holds no {name}") from None
        file = io.BytesIO()
        Image.frombytes("L", (SIDE, SIDE), pixels).save(file, "PNG")
        file.seek(0)
        return file

    def _stamp(self, name: str) -> str:
        return self._table_stamps

    @cached_property
    def _table_stamps(self) -> str:
        return f"{self._tree.stamp(self._pixels)}-{self._tree.stamp(self._names)}"


def _parse(text: str, where: str) -> bytes:
    try:
        pixels = bytes(map(int, text.split()))
    except ValueError:
        pixels = b""
    if len(pixels) != SIDE * SIDE:
        raise ListError(f"{where} does not hold {SIDE * SIDE} gray values from 0 to 255")
    return pixels
