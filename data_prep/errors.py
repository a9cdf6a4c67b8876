"""The errors that every command reports in one line and ends on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa


class PreparationError(Exception):
    """Data cannot be prepared as asked; the message names the place and the remedy.

    Attributes:
        details: Lines that the message counts, to be listed above it.
    """

    def __init__(self, message: str, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.details = details


class ArchiveError(PreparationError):
    """An archive is absent, of no known layout, damaged or unsafe."""


class DamagedError(ArchiveError):
    """One file of an archive cannot be read."""


class ListError(ArchiveError):
    """A list in an archive is not what its authors made."""

    def __init__(self, message: str) -> None:
        super().__init__(f"{message}; download it again, or correct it")


class IndexFileError(PreparationError):
    """A published question file is absent or not what it should be."""


class BuildError(PreparationError):
    """A folder cannot be written as asked."""


_MOST_SHOWN = 120


def brief(value: object) -> str:
    """Return what a message shows of a value that came from a file, however long that is."""
    text = str(value) if isinstance(value, BaseException) else repr(value)
    text = " ".join(text.split())
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


@contextmanager
def reading_parquet(path: Path, content: str, remedy: str = "build it again") -> Iterator[None]:
    """Say in one sentence what pyarrow raises on a file that is damaged or of other columns.

    Args:
        path: The file.
        content: What it should hold.
        remedy: What to do.

    Raises:
        PreparationError: The block met such a file.
        OSError: The file system refused; a damaged file has no error number.
    """
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise PreparationError(f"{path} holds no {content} ({brief(error)}); {remedy}") from None
