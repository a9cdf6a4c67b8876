"""Open prediction files, from wherever they come, and name them in messages."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from unifer_tasks.data.results_file import PredictionError
from unifer_tasks.redaction.characters import one_line
from unifer_tasks.support.records import RecordError, require_file

STANDARD_INPUT = Path("-")

_HANDED_OVER = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/")


@contextmanager
def open_predictions(path: Path) -> Iterator[BinaryIO]:
    """Open a prediction file, or standard input for `-`, so that it can be read twice.

    Raises:
        PredictionError: The path is a folder, a named pipe or a device.
        OSError: It cannot be opened.
    """
    if path == STANDARD_INPUT:
        stream = sys.stdin.buffer
    elif str(path).startswith(_HANDED_OVER):
        # By a shell, as in `ferbench score <(command)`.
        stream = path.open("rb")
    else:
        try:
            require_file(path)
        except RecordError as error:
            raise PredictionError(
                f"{title(path)} {error}; give a file, or pipe it into `ferbench score -`"
            ) from None
        stream = path.open("rb")
    with ExitStack() as stack:
        if stream is not sys.stdin.buffer:
            stack.enter_context(stream)
        if not stream.seekable():
            pipe, stream = stream, stack.enter_context(tempfile.TemporaryFile())
            shutil.copyfileobj(pipe, stream)
        yield stream


def title(path: Path) -> str:
    """Return how messages name a prediction file."""
    return "standard input" if path == STANDARD_INPUT else one_line(str(path))
