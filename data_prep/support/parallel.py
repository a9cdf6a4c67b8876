"""An ordered map over processes that never runs far ahead."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import TypeVar

from data_prep.support.errors import PreparationError

Item = TypeVar("Item")
Result = TypeVar("Result")

CHUNK = 16
"""Small enough to balance the load, large enough for images of a few kilobytes."""


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield the items in lists of `size`, the last one shorter."""
    items = iter(items)
    while batch := list(islice(items, size)):
        yield batch


def ordered_map(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    jobs: int | None = None,
    *,
    chunk: int = CHUNK,
) -> Iterator[Result]:
    """Map a function that can be pickled in several processes and yield the results in order.

    Items are consumed, in this process, only a few chunks ahead of the results, so memory stays
    bounded.

    Args:
        function: The function.
        items: Its arguments.
        jobs: Worker processes; None for one per core, 1 for this process alone.
        chunk: Items that are sent to a process at a time.

    Raises:
        PreparationError: A worker process was killed.
    """
    jobs = jobs or os.cpu_count() or 1
    if jobs == 1:
        yield from map(function, items)
        return
    pool = ProcessPoolExecutor(jobs, initializer=_follow_the_parent)
    waiting: deque[Future[list[Result]]] = deque()
    try:
        for batch in batches(items, chunk):
            waiting.append(pool.submit(_map_all, function, batch))
            if len(waiting) > 2 * jobs:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    except BrokenProcessPool:
        raise PreparationError(
            "a worker process was killed, most likely for lack of memory; the same command "
            "continues from here, and --jobs 1 takes less memory"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _map_all(function: Callable[[Item], Result], batch: Sequence[Item]) -> list[Result]:
    return [function(item) for item in batch]


def _follow_the_parent() -> None:
    """Leave interrupts to the parent, and exit when it is killed: its queue never closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_exit_with, args=(parent,), daemon=True).start()


def _exit_with(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)
