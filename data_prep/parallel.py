"""A map over processes that keeps order and never runs far ahead."""

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

from data_prep.errors import PreparationError

Item = TypeVar("Item")
Result = TypeVar("Result")

CHUNK = 16
"""Few enough to share out evenly, enough for images of some kilobytes."""


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
    """Map in several processes and yield in the items' order.

    Items are taken as results are, a few chunks ahead, so memory does not grow with them.

    Args:
        function: Can be pickled.
        items: Taken in this process.
        jobs: Processes; None for one a core. With 1 all happens in this process.
        chunk: Items that one message carries to a process.

    Raises:
        PreparationError: A process was killed.
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
            "a process that helped was killed, most often for want of memory; the same command "
            "continues from here, with --jobs 1 in less memory"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _map_all(function: Callable[[Item], Result], batch: Sequence[Item]) -> list[Result]:
    return [function(item) for item in batch]


def _follow_the_parent() -> None:
    """Leave interrupts to the parent, and end when it is killed: its queue never closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_exit_after, args=(parent,), daemon=True).start()


def _exit_after(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)
