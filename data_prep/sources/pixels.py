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

from data_prep.sources.samples import Split
from data_prep.support.errors import ArchiveError, ListError, brief
from data_prep.support.tree import Tree

SIDE = 48
"""Width and height of FER2013's gray faces in pixels."""

USAGES: Mapping[Split, str] = {
    Split.TRAIN: "Training",
    Split.VALID: "PublicTest",
    Split.TEST: "PrivateTest",
}
"""The word for each split in both files."""

_SPLITS: Mapping[str, Split] = {usage.lower(): split for split, usage in USAGES.items()}


def split_of(usage: str, where: str) -> Split:
    """Return the split that a row is of.

    Raises:
        ListError: It is none of FER2013's.
    """
    split = _SPLITS.get(usage.strip().lower())
    if split is None:
        raise ListError(f"{where}: usage {brief(usage)} is none of {', '.join(USAGES.values())}")
    return split


def named_rows(tree: Tree, name: str) -> Iterator[tuple[int, Split, str, list[str]]]:
    """Yield number, split, file name and votes of each row of `fer2013new.csv`, unchecked."""
    for number, row in tree.table(name):
        if number > 1:
            split = split_of(row[0], f"{tree.path}: {name}, row {number}")
            yield number, split, row[1].strip() if len(row) > 1 else "", row[2:]


class PixelTable(Tree):
    """The images of `fer2013.csv`, by folder and name.

    Pixels are read with the first image and kept: 83 MB for all 35,887 rows.
    """

    def __init__(self, tree: Tree, pixels: str, names: str, folders: Mapping[Split, str]) -> None:
        super().__init__(tree.path)
        self._tree = tree
        self._pixels = pixels
        self._names = names
        self._folder_of = folders

    @cached_property
    def _files(self) -> Mapping[str, Sequence[str]]:
        files: dict[str, dict[str, None]] = {folder: {} for folder in self._folder_of.values()}
        for _, split, name, _ in named_rows(self._tree, self._names):
            if name:
                files[self._folder_of[split]][name] = None
        return {folder: tuple(sorted(names)) for folder, names in files.items()}

    @cached_property
    def _members(self) -> frozenset[str]:
        return frozenset(
            f"{folder}/{name}" for folder, names in self._files.items() for name in names
        )

    @cached_property
    def _images(self) -> Mapping[str, bytes]:
        images: dict[str, bytes] = {}
        table = self._tree.records(self._pixels, ("pixels", "usage"))
        names = named_rows(self._tree, self._names)
        for row, named in zip_longest(table, names):
            if row is None or named is None:
                raise ArchiveError(
                    f"{self.path}: {self._pixels} and {self._names} differ in length, so rows "
                    "cannot be paired; download both again"
                )
            (_, cells), (number, split, name, _) = row, named
            where = f"{self.path}: {self._pixels}, row {number}"
            if split_of(cells["usage"], where) is not split:
                raise ListError(
                    f"{where} is of {brief(cells['usage'])}, in {self._names} of {USAGES[split]!r}"
                )
            if name:
                pixels = _parse(cells["pixels"], where)
                images.setdefault(f"{self._folder_of[split]}/{name}", pixels)
        return images

    def _list(self, folder: str) -> tuple[Sequence[str], Sequence[str]]:
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
