"""Files that are whole or absent."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a path to write to, which takes the final name once the block ends well.

    An error leaves nothing behind. A kill leaves `NAME.partial`, which the next run removes: it is
    not written to, since it could be a link to another file.

    Raises:
        OSError: As `require_replaceable`, or it cannot be written.
    """
    require_replaceable(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    try:
        if partial.is_symlink() or not partial.is_dir():
            partial.unlink(missing_ok=True)
        yield partial
        partial.replace(path)
    except BaseException as error:
        if not partial.is_dir():
            partial.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None and error.filename is None:
            # A full disk is told by the write, which knows no name.
            error.filename = str(path)
        raise


_STREAMS = frozenset({"/dev", "/dev/fd", "/proc/self/fd"})


def require_replaceable(path: Path) -> None:
    """Check that a file may take a name: that of a pipe or a device would be lost to others.

    Raises:
        OSError: A pipe, a device or a stream such as /dev/stdout has the name.
    """
    is_special = path.exists() and not path.is_file() and not path.is_dir()
    if is_special or str(path.parent) in _STREAMS:
        reason = "it is a pipe or a device, which a file would replace; name a regular file"
        raise OSError(errno.EINVAL, reason, str(path))


@contextmanager
def atomic_write_lines(path: Path) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Yield a function that writes an object as a line of a JSONL file, as `atomic_write` does."""
    with atomic_write(path) as partial, partial.open("w", encoding="utf-8") as file:

        def write(row: Mapping[str, Any]) -> None:
            file.write(json.dumps(row) + "\n")

        yield write


_REASONS: Mapping[int, str] = {
    errno.ENOSPC: "no space is left on the disk; make room, or write to another one",
    errno.EDQUOT: "the disk quota is used up; make room, or write to another disk",
    errno.EACCES: "permission denied; choose another place, or change its permissions",
    errno.EPERM: "permission denied; choose another place, or change its permissions",
    errno.EROFS: "the file system is read-only; choose another place",
    errno.ENOENT: "no such file or folder",
    errno.ENOTDIR: "a part of the path is a file; choose another place",
    errno.EISDIR: "it is a folder; name a file",
    errno.ESPIPE: "it is a pipe; name a regular file",
    errno.EEXIST: "it exists already; choose another place",
    errno.ELOOP: "it is a symbolic link to itself; put the file or folder in its place",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
}


def explain(error: OSError) -> str:
    """Return an error of the file system as a sentence: where, what, and what to do."""
    if error.errno is None:
        return str(error)
    reason = _REASONS.get(error.errno, error.strerror or str(error))
    return f"{error.filename}: {reason}" if isinstance(error.filename, str) else reason
