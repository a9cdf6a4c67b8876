"""A JSONL file to which one process appends, one line a record.

A line is written by one call, so a kill loses at most the record that is being written. What a
crash of the machine leaves of a last line is cut off when the file is opened again.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from unifer_tasks.support.locks import BusyError, lock

_BLOCK = 4096


class Journal:
    """An open journal, locked against other processes until it is closed.

    Attributes:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, or start it, and cut off half a last line.

        Raises:
            BusyError: Another run is writing it.
        """
        self.path = path
        self._file = path.open("a+b", buffering=0)
        try:
            lock(self._file, path)
            self._cut_off_half_a_line()
        except BlockingIOError:
            self.close()
            raise BusyError(
                f"{path} is being written by another run; end that one, or wait for it"
            ) from None
        except BaseException as error:
            self.close()
            if isinstance(error, OSError):
                error.filename = error.filename or str(path)
            raise

    def close(self) -> None:
        """Close the file and let another run write."""
        self._file.close()

    def append(self, record: Mapping[str, Any]) -> int:
        """Write a record and return the place at which its line begins.

        Raises:
            OSError: It cannot be written, and nothing of it is.
        """
        line = (json.dumps(record) + "\n").encode()
        try:
            written = self._file.write(line) or 0
        except OSError as error:
            error.filename = str(self.path)
            raise
        # Taken once the line is there: wherever others have appended, it ends here.
        place = self._file.tell() - written
        if written < len(line):
            self._file.truncate(place)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        return place

    def lines(self) -> Iterator[bytes]:
        """Yield the lines in the file's order."""
        with self.path.open("rb") as file:
            yield from file

    def line_at(self, place: int) -> bytes:
        """Return the line that begins at a place."""
        with self.path.open("rb") as file:
            file.seek(place)
            return file.readline()

    def _cut_off_half_a_line(self) -> None:
        size = end = self._file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - _BLOCK)
            self._file.seek(start)
            found = self._file.read(end - start).rfind(b"\n")
            if found >= 0:
                end = start + found + 1
                break
            end = start
        if end < size:
            self._file.truncate(end)
