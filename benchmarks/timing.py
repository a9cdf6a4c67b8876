"""How the benchmarks take and show time."""

from __future__ import annotations

import time
from collections.abc import Callable


def seconds(
    call: Callable[[], object],
    *,
    repeats: int = 5,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Return the fastest of several calls, in seconds: the one least disturbed by others.

    Args:
        call: What is timed.
        repeats: How often.
        clock: What tells the time; `time.process_time` counts none of another program's.
    """
    best = float("inf")
    for _ in range(repeats):
        start = clock()
        call()
        best = min(best, clock() - start)
    return best


def compare(title: str, ours: float, peer: float, peer_name: str) -> None:
    """Print a line: our time, a peer's for the same work, and how many times faster we are."""
    print(f"{title:<44} {ours:>9.4f} s   {peer_name} {peer:>9.4f} s   ratio {peer / ours:>8.1f}")
