"""What a process prints, changed on its way out."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast


@contextmanager
def output_through(change: Callable[[str], str]) -> Iterator[None]:
    """Change each text that this process prints until the block ends."""
    before = sys.stdout, sys.stderr
    # One that the caller has closed is None.
    sys.stdout, sys.stderr = (
        cast(TextIO, _Changing(stream or io.StringIO(), change)) for stream in before
    )
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


class _Changing:
    """A stream that changes what is written to it, a call at a time.

    What its encoding lacks is spelt out: a table's arrow would end a run whose locale has none.
    """

    def __init__(self, stream: TextIO, change: Callable[[str], str]) -> None:
        self._stream = stream
        self._change = change

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        encoding = self._stream.encoding or "utf-8"
        written = self._change(text).encode(encoding, "backslashreplace").decode(encoding)
        self._stream.write(written)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)
