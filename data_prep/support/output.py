"""Where and how a command writes, built once from its options."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from data_prep.support.parallel import ordered_map

Item = TypeVar("Item")
Result = TypeVar("Result")

Progress = Callable[[str, Iterable[Any], int], Iterable[Any]]
"""Wraps items to show the progress over them, given a title and their number."""

IMAGES = "images"


@dataclass(frozen=True, slots=True)
class Output:
    """A folder to write, with `jobs` processes (None: one per core), showing the progress."""

    folder: Path
    jobs: int | None = None
    progress: Progress = lambda title, items, n: items

    @property
    def images(self) -> Path:
        """The folder for images that are extracted from archives."""
        return self.folder / IMAGES

    def map(
        self, title: str, function: Callable[[Item], Result], items: Iterable[Item], n: int
    ) -> Iterable[Result]:
        """Map a function that can be pickled, in order, and show the progress over `n` items."""
        return self.progress(title, ordered_map(function, items, self.jobs), n)
