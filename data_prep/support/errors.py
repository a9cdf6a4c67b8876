"""Errors that end a command and that it reports in one line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from unifer_tasks.support.records import require_file


class PreparationError(Exception):
    """Data cannot be prepared as asked; the message names the place and the remedy.

    Attributes:
        details: Lines that the message counts, to be listed above it.
    """

    def __init__(self, message: str, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.details = details


class ArchiveError(PreparationError):
    """An archive is missing, of unknown layout, damaged or unsafe."""


class UnknownLayoutError(ArchiveError):
    """A folder or an archive is in none of the layouts in which a dataset is distributed."""


class DamagedError(ArchiveError):
    """One file of an archive cannot be read."""


class ListError(ArchiveError):
    """A list in an archive differs from what its authors published."""

    def __init__(self, message: str) -> None:
        super().__init__(f"{message}; download it again, or correct it")


class IndexFileError(PreparationError):
    """A published question file is missing or malformed."""


_MAX_SHOWN = 120


def brief(value: object) -> str:
    """Return a value from a file as a message shows it, shortened if it is long."""
    text = str(value) if isinstance(value, BaseException) else repr(value)
    text = " ".join(text.split())
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."


@contextmanager
def reading_parquet(path: Path, content: str, remedy: str = "build it again") -> Iterator[None]:
    """Report in one sentence what pyarrow raises on a file that is damaged or has other columns.

    Raises:
        PreparationError: It is; the message says what it should hold, and what to do.
        OSError: The file system failed; the error of a damaged file has no number.
    """
    try:
        # Arrow waits for what a pipe may bring.
        require_file(path)
        yield
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            # Arrow's errors name no file.
            error.filename = error.filename or str(path)
            raise
        raise PreparationError(f"{path} holds no {content} ({brief(error)}); {remedy}") from None
