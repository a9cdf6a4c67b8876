"""What a run leaves on a machine when it is killed, and how the next one cleans it up.

`kill -9` reaches one process. Those that it started (ray, its workers, vLLM's engines) may live on
and hold GPUs, ports and memory, and the buffers of verl and vLLM stay in `/dev/shm` even after a
run that ended well. A run's processes are recognized by an environment variable, which each hands
down.

A buffer says nothing of who made it. One is removed only if a process of the run was seen to have
it mapped; the run's folder keeps a list of those. Any other is left: `fuser /dev/shm/*` shows
which nobody uses, and whoever knows that they are his removes them.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from recipes.training.launch.errors import RunningError
from unifer_tasks.support.locks import lock

RUN_VARIABLE = "UNIFER_RUN"
"""The folder of the run that a process belongs to."""

SHARED_MEMORY = Path("/dev/shm")
GRACE = 10.0
"""Seconds that processes are given to end."""

# Of Python (vLLM's queues among them), and of verl (vllm_rollout/bucketed_weight_transfer.py).
_SEGMENTS = ("psm_*", "verl_weights_*")
_LOOK_EVERY = 1.0


@contextmanager
def sole_run(folder: Path) -> Iterator[None]:
    """Hold a run's folder on this machine, and leave nothing of the run behind.

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
        segments = folder / f".shared-memory-{socket.gethostname()}"
        if os.fstat(file.fileno()).st_size:
            _clear(folder, segments, grace=0)
        segments.unlink(missing_ok=True)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        ended = threading.Event()
        watcher = threading.Thread(target=_watch, args=(folder, segments, ended), daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()
            _clear(folder, segments, grace=GRACE)
            segments.unlink(missing_ok=True)
            file.truncate(0)


def _watch(folder: Path, record: Path, ended: threading.Event) -> None:
    """Record the segments that the run's processes map, as they come."""
    known: set[str] = set()
    while not ended.wait(_LOOK_EVERY):
        new = _segments() - known
        if new:
            _add(record, new & mapped_segments(run_processes(folder)))
        known |= new


def _segments() -> set[str]:
    return {path.name for pattern in _SEGMENTS for path in SHARED_MEMORY.glob(pattern)}


def _add(record: Path, names: Iterable[str]) -> None:
    with suppress(OSError), record.open("a", encoding="utf-8") as file:
        for name in names:
            # The inode distinguishes it from a later one of the same name.
            file.write(f"{name} {(SHARED_MEMORY / name).stat().st_ino}\n")


def _clear(folder: Path, record: Path, grace: float) -> None:
    """End the processes of a run and remove its shared memory; say what was done."""
    _add(record, mapped_segments(run_processes(folder)))
    _, alive = psutil.wait_procs(run_processes(folder), timeout=grace)
    for process in alive:
        # One may end by the end of another.
        with suppress(psutil.NoSuchProcess):
            process.kill()
    if alive:
        numbers = ", ".join(str(process.pid) for process in alive)
        print(f"ended {len(alive)} processes left of a run in {folder}: {numbers}", flush=True)
    psutil.wait_procs(alive, timeout=GRACE)
    removed = [name for name in _recorded(record) if _remove(name)]
    if removed:
        print(f"removed {len(removed)} buffers of the run from {SHARED_MEMORY}", flush=True)


def _recorded(record: Path) -> list[str]:
    """Return the segments of a run that are still there and that no process has mapped."""
    try:
        lines = record.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    ours = dict(line.rsplit(" ", 1) for line in lines if " " in line)
    there = {
        name for name in _segments() & {*ours} if str(_inode(SHARED_MEMORY / name)) == ours[name]
    }
    return sorted(there - mapped_segments(psutil.process_iter())) if there else []


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None


def _remove(name: str) -> bool:
    try:
        (SHARED_MEMORY / name).unlink()
    except OSError:
        return False
    return True


def run_processes(folder: Path) -> list[psutil.Process]:
    """Return the processes of this machine that belong to the run in a folder.

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


def mapped_segments(processes: Iterable[psutil.Process]) -> set[str]:
    """Return the names of the segments of shared memory that some of the processes have mapped."""
    mapped: set[str] = set()
    for process in processes:
        try:
            maps = Path(f"/proc/{process.pid}/maps").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # Ended meanwhile, or another user's.
        mapped.update(
            line.rpartition("/")[2] for line in maps.splitlines() if f" {SHARED_MEMORY}/" in line
        )
    return mapped & _segments()
