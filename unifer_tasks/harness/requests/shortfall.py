"""What a finished run lacks: answers to failed requests, or files that could not be written.

lmms-eval exits with status 0 in both cases. Each process keeps its own record.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

FAILED_REQUESTS_STATUS = 3
"""The exit status of a run that lacks nothing but the answers to failed requests."""


@dataclass(slots=True)
class Shortfall:
    """What is missing of one run.

    Attributes:
        asked: Requests that were made.
        failed: Of these, without an answer.
        unsaved: Files that could not be written.
    """

    asked: int = 0
    failed: int = 0
    unsaved: list[str] = field(default_factory=list)


_current: ContextVar[Shortfall | None] = ContextVar("shortfall", default=None)


@contextmanager
def shortfall() -> Iterator[Shortfall]:
    """Yield a record of what the runs within the block lack."""
    noted = Shortfall()
    token = _current.set(noted)
    try:
        yield noted
    finally:
        _current.reset(token)


def note_requests(asked: int, failed: int) -> None:
    """Note how many requests were made and how many of them failed."""
    if noted := _current.get():
        noted.asked += asked
        noted.failed += failed


def note_unsaved(path: str) -> None:
    """Note a file that could not be written."""
    if noted := _current.get():
        noted.unsaved.append(path)
