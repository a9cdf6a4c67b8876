"""A machine on which others are at work too: what is held there, killed and waited for."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil

_PATIENCE_S = 60.0


@contextmanager
def held_ports(n: int) -> Iterator[list[int]]:
    """Hold ports for servers that are started in the block.

    A port that is bound, and not listened on, is given to nobody who asks for any; a server that
    asks for this one gets it, since servers set SO_REUSEADDR.
    """
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for held in sockets:
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.bind(("", 0))
        yield [held.getsockname()[1] for held in sockets]


def kill_when(is_so: Callable[[], bool], command: Sequence[str | Path]) -> None:
    """Run a command and kill it, and what it started, once something is so or it has ended."""
    with (
        subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL) as process,
        suppress(ProcessLookupError),
    ):
        while process.poll() is None and not is_so():
            time.sleep(0.005)
        # Its group is gone where all of it has ended and been waited for.
        os.killpg(process.pid, signal.SIGKILL)


def kill_all(processes: Iterable[psutil.Process]) -> None:
    """Kill processes, some of which end by the end of others."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def ends(pid: int) -> bool:
    """Return whether a process ends; one that waits for nothing but its parent has."""
    patience = time.monotonic() + _PATIENCE_S
    while time.monotonic() < patience:
        with suppress(psutil.NoSuchProcess):
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.02)
                continue
        return True
    return False
