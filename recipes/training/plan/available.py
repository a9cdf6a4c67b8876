"""Memory that is left: the machine's, or that of the control group (container) it is shared by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

GIB = 2**30

RAY_LIMIT = 0.95
"""Share of the memory in use above which ray kills workers (`RAY_memory_usage_threshold`)."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What one limit leaves.

    Attributes:
        total: Bytes that it allows in all.
        available: Bytes of these that are not in use; a page cache counts as not in use.
        limited_by: What sets the limit, in words.
    """

    total: int
    available: int
    limited_by: str

    @property
    def usable(self) -> int:
        """Bytes that can be taken before ray kills a worker."""
        return max(0, self.available - round((1 - RAY_LIMIT) * self.total))


@dataclass(frozen=True, slots=True)
class _Hierarchy:
    """Where a version of control groups keeps its figures."""

    mount: str
    limit: str
    usage: str
    cache: tuple[str, ...]


_V1 = _Hierarchy(
    "sys/fs/cgroup/memory",
    "memory.limit_in_bytes",
    "memory.usage_in_bytes",
    ("total_inactive_file", "total_active_file"),
)
_V2 = _Hierarchy("sys/fs/cgroup", "memory.max", "memory.current", ("inactive_file", "active_file"))


def available_memory(root: Path = Path("/")) -> Memory | None:
    """Return what the tightest limit leaves to this process.

    Args:
        root: Where `proc` and `sys` are mounted.

    Returns:
        The machine's memory or a control group's; None where the system has no `/proc/meminfo`.
    """
    machine = _machine(root)
    if machine is None:
        return None
    return min([machine, *_groups(root, machine.total)], key=lambda memory: memory.usable)


def _machine(root: Path) -> Memory | None:
    try:
        sizes = _table(root / "proc" / "meminfo")
        return Memory(
            1024 * sizes["MemTotal:"], 1024 * sizes["MemAvailable:"], "the machine's memory"
        )
    except (OSError, KeyError, ValueError):
        return None


def _groups(root: Path, machine_total: int) -> Iterator[Memory]:
    try:
        lines = (root / "proc" / "self" / "cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        # number:controllers:path; version 2 has number 0 and names no controller.
        number, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            hierarchy = _V1
        elif number == "0" and not controllers:
            hierarchy = _V2
        else:
            continue
        mount = root / hierarchy.mount
        # A limit of any ancestor holds. In a container the path may be the host's, of which only
        # the mount itself is there.
        for ancestor in (PurePosixPath(path), *PurePosixPath(path).parents):
            group = _group(mount / ancestor.relative_to("/"), hierarchy)
            if group is not None and group.total < machine_total:
                yield group


def _group(folder: Path, hierarchy: _Hierarchy) -> Memory | None:
    try:
        total = int((folder / hierarchy.limit).read_text(encoding="ascii"))
        used = int((folder / hierarchy.usage).read_text(encoding="ascii"))
        sizes = _table(folder / "memory.stat")
    except (OSError, ValueError):
        # No such group, or none with a limit ("max").
        return None
    used -= sum(sizes.get(name, 0) for name in hierarchy.cache)
    return Memory(total, max(0, total - used), "the limit of this container or control group")


def _table(path: Path) -> dict[str, int]:
    lines = path.read_text(encoding="ascii").splitlines()
    return {words[0]: int(words[1]) for words in map(str.split, lines) if len(words) > 1}
