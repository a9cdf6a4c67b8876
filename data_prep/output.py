"""Where a command writes and how it works on it: made once, of its options."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from data_prep.parallel import ordered_map

Item = TypeVar("Item")
Result = TypeVar("Result")

Progress = Callable[[str, Iterable[Any], int], Iterable[Any]]
"""Wrap items that are worked on, given their title and how many they are."""

IMAGES = "images"


@dataclass(frozen=True, slots=True)
class Output:
    """A folder to write.

    Attributes:
        folder: The folder.
        jobs: Processes that work on it; None for one a core.
        progress: Shows how far the work is.
    """

    folder: Path
    jobs: int | None = None
    progress: Progress = lambda title, items, n: items

    @property
    def images(self) -> Path:
        """Where images that have no file of their own are written."""
        return self.folder / IMAGES

    def map(
        self, title: str, function: Callable[[Item], Result], items: Iterable[Item], n: int
    ) -> Iterable[Result]:
        """Map in the output's processes, in the items' order, and show the progress.

        Args:
            title: Of the progress.
            function: Can be pickled.
            items: Taken in this process.
            n: How many there are.
        """
        return self.progress(title, ordered_map(function, items, self.jobs), n)
