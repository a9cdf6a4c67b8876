"""One run at a time in a folder: a lock that ends with the process that holds it.

A lock is a small file on which the kernel keeps an advisory lock (`flock`), so a run that is killed
leaves nothing to clean up. The file names the process and its host for whoever is refused.

Some cluster file systems have no `flock` (Lustre mounted without it, NFS without a lock daemon).
There a run warns and continues. To refuse would shut such users out, and what two runs can do to
each other is bounded: files are replaced whole, and a log of answers checks what it reads back.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO, Any
from weakref import WeakSet

LOCK_NAME = ".lock"
"""The lock of a folder; it is there while a run is at work, or after a kill."""

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}

_held: WeakSet[IO[Any]] = WeakSet()


class HoldError(Exception):
    """A place cannot be written to; the message says which, why, and what to do."""


class BusyError(HoldError):
    """Another run is at work in the same place."""


@contextmanager
def hold(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Keep other runs out of a folder until the block ends.

    Args:
        folder: Made if it is not there, and removed if it is empty in the end.
        wait: Wait for a run that holds it.

    Raises:
        BusyError: Another run holds it, and `wait` is false.
        HoldError: It is a file, or cannot be written to.
    """
    if folder.exists() and not folder.is_dir():
        raise HoldError(f"{folder} is a file; choose another folder")
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    with _explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        with _locked(folder / LOCK_NAME, f"another run is at work in {folder}", wait=wait):
            yield
    finally:
        for path in made:
            with suppress(OSError):
                path.rmdir()


@contextmanager
def hold_file(path: Path) -> Iterator[None]:
    """Keep other runs from writing a file, and no run from writing another beside it.

    Args:
        path: The file, or a folder that takes its name once it is whole; its parent is made if
            it is not there.

    Raises:
        BusyError: Another run writes it.
        HoldError: Its folder cannot be written to.
    """
    with _explained(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path.with_name(f".{path.name}.lock"), f"another run is writing {path}"):
        yield


def lock(file: IO[Any], path: Path, *, wait: bool = False) -> None:
    """Lock an open file for this process until it is closed; warn where files cannot be locked.

    Args:
        file: Open for writing: NFS refuses an exclusive lock on any other.
        path: Its path, for the warning.
        wait: Wait for a process that holds it.

    Raises:
        BlockingIOError: Another process holds it, and `wait` is false.
        OSError: The lock failed in another way.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        _warn(path.parent, os.strerror(error.errno))
    _held.add(file)


@contextmanager
def _locked(path: Path, taken: str, *, wait: bool = False) -> Iterator[None]:
    with _explained(path.parent):
        file = _open_locked(path, taken, wait=wait)
    try:
        with _explained(path.parent):
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}".encode())
        yield
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        file.close()


def _open_locked(path: Path, taken: str, *, wait: bool) -> IO[bytes]:
    """Open and lock a lock file that still has its name once it is locked."""
    while True:
        file = path.open("a+b", buffering=0)
        try:
            lock(file, path, wait=wait)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    return file
        except BlockingIOError:
            file.seek(0)
            holder = file.read().decode(errors="replace")
            file.close()
            raise BusyError(
                f"{taken}{f' ({holder})' if holder else ''}; wait for it or end it, or write to "
                "another place"
            ) from None
        except BaseException:
            file.close()
            raise
        # Its holder removed it between the opening and the locking.
        file.close()


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HoldError(
            f"{folder} cannot be written to ({error.strerror or error}); choose another folder"
        ) from None


@cache
def _warn(folder: Path, reason: str) -> None:
    print(
        f"WARNING: the file system of {folder} cannot lock files ({reason}), so nothing keeps a "
        "second run out of it: start one at a time",
        file=sys.stderr,
    )


def _let_go() -> None:
    """Drop a forked child's copies: it may outlive this process, and would keep the locks."""
    for file in _held:
        if not file.closed:
            nothing = os.open(os.devnull, os.O_RDWR)
            # The number stays taken, so that the child's copy of the object closes nothing else.
            os.dup2(nothing, file.fileno(), inheritable=False)
            os.close(nothing)


os.register_at_fork(after_in_child=_let_go)
