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
    """A folder to write.

    Attributes:
        folder: The folder.
        jobs: Worker processes; None for one per core.
        progress: Shows the progress.
    """

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
        """Map in `jobs` processes, in order, and show the progress.

        Args:
            title: Title of the progress bar.
            function: A function that can be pickled.
            items: Its arguments, consumed in this process.
            n: Their number.
        """
        return self.progress(title, ordered_map(function, items, self.jobs), n)
