"""What a run leaves on a machine when it is killed, and how the next one gets rid of it.

`kill -9` reaches one process. Those that it started (ray, its workers, vLLM's engines) may live on
and hold GPUs, ports and memory, and verl's weight buffers stay in `/dev/shm` even after a run that
ended well. A run is told apart by an environment variable, which every process hands down.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from unifer_tasks.locks import lock

RUN_VARIABLE = "UNIFER_RUN"
"""The folder of the run that a process belongs to."""

SHARED_MEMORY = Path("/dev/shm")
GRACE = 10.0
"""Seconds that processes are given to end."""


class RunningError(Exception):
    """Another run is at work in the same folder."""


@contextmanager
def sole_run(folder: Path) -> Iterator[None]:
    """Holds a run's folder on this machine, and leaves nothing of the run behind.

    What an earlier run in the same folder left is ended first, which is safe once the folder is
    held: a run that is alive holds it. The hold ends with the process, however it ends.

    Args:
        folder: The run's folder; it is made if need be.

    Raises:
        RunningError: Another process holds the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # A lock a machine: on several nodes the folder is one, and each node's launcher holds it.
    path = folder / f".held-by-{socket.gethostname()}"
    with path.open("a+", encoding="utf-8") as file:
        try:
            lock(file, path)
        except BlockingIOError:
            file.seek(0)
            raise RunningError(
                f"{folder} is held by process {file.read().strip()}, which is at work there; wait "
                "for it, end it, or give another trainer.default_local_dir"
            ) from None
        began = path.stat().st_mtime
        if os.fstat(file.fileno()).st_size:
            _clear(folder, began, grace=0)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        began = path.stat().st_mtime
        try:
            yield
        finally:
            _clear(folder, began, grace=GRACE)
            file.truncate(0)


def _clear(folder: Path, began: float, grace: float) -> None:
    """Ends the processes of a run and removes its shared memory; tells what it did."""
    _, alive = psutil.wait_procs(run_processes(folder), timeout=grace)
    for process in alive:
        process.kill()
    if alive:
        numbers = ", ".join(str(process.pid) for process in alive)
        print(f"ended {len(alive)} processes left of a run in {folder}: {numbers}", flush=True)
    psutil.wait_procs(alive, timeout=GRACE)
    segments = orphaned_segments(began)
    for segment in segments:
        segment.unlink(missing_ok=True)
    if segments:
        print(f"removed {len(segments)} weight buffers from {SHARED_MEMORY}", flush=True)


def run_processes(folder: Path) -> list[psutil.Process]:
    """Returns the processes of this machine that belong to the run in a folder.

    This process and its parents are left out: they are marked where one run starts another.
    """
    mark = str(folder.resolve())
    this = psutil.Process()
    found, own = [], {this, *this.parents()}
    for process in psutil.process_iter():
        try:
            if process not in own and process.environ().get(RUN_VARIABLE) == mark:
                found.append(process)
        except psutil.Error:
            continue  # Ended meanwhile, or another user's.
    return found


def orphaned_segments(since: float) -> list[Path]:
    """Returns Python's segments of shared memory that no process has mapped.

    Args:
        since: Time from which on they were made, in seconds since the epoch.
    """
    candidates = [
        segment
        for segment in SHARED_MEMORY.glob("psm_*")
        if segment.owner() == psutil.Process().username() and segment.stat().st_ctime >= since
    ]
    if not candidates:
        return []
    mapped: set[str] = set()
    for process in psutil.process_iter():
        try:
            maps = Path(f"/proc/{process.pid}/maps").read_text(encoding="utf-8")
        except OSError:
            continue  # Ended meanwhile, or another user's.
        mapped.update(line.split()[-1] for line in maps.splitlines() if "/psm_" in line)
    return [segment for segment in candidates if str(segment) not in mapped]
