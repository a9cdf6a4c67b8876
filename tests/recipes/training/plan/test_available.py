"""Memory that a limit leaves: the machine's, or a control group's of either version."""

from __future__ import annotations

from pathlib import Path

import pytest

from recipes.training.plan.available import GIB, Memory, available_memory

_V1 = "sys/fs/cgroup/memory"
_V2 = "sys/fs/cgroup"
_MACHINE = (16, 10, "machine")


def group(folder: str, limit: str, usage: float, cache: float, version: int) -> dict[str, str]:
    """Files of a control group; sizes in GiB."""
    names = {
        1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_active_file"),
        2: ("memory.max", "memory.current", "active_file"),
    }[version]
    return {
        f"{folder}/{names[0]}": f"{limit}\n",
        f"{folder}/{names[1]}": f"{round(usage * GIB)}\n",
        f"{folder}/memory.stat": f"anon 7\nin{names[2]} 0\n{names[2]} {round(cache * GIB)}\n",
    }


def gib(n: float) -> str:
    return str(round(n * GIB))


@pytest.mark.parametrize(
    ("cgroup", "files", "expected"),
    [
        pytest.param(None, {}, _MACHINE, id="no-control-groups"),
        pytest.param("0::/\n", group(_V2, "max", 5, 0, 2), _MACHINE, id="no-limit"),
        pytest.param("0::/\n", group(_V2, gib(8), 5, 2, 2), (8, 5, "group"), id="container"),
        pytest.param("0::/\n", group(_V2, gib(64), 5, 2, 2), _MACHINE, id="above-the-machine"),
        pytest.param("0::/\n", group(_V2, gib(12), 1, 0, 2), _MACHINE, id="machine-is-tighter"),
        pytest.param("0::/\n", group(_V2, gib(4), 5, 0, 2), (4, 0, "group"), id="over-its-limit"),
        pytest.param(
            "0::/user/job\n",
            {**group(f"{_V2}/user", gib(6), 1, 0, 2), **group(f"{_V2}/user/job", "max", 1, 0, 2)},
            (6, 5, "group"),
            id="limit-of-an-ancestor",
        ),
        pytest.param(
            "0::/docker/1f\n", group(_V2, gib(6), 1, 0, 2), (6, 5, "group"), id="path-of-the-host"
        ),
        pytest.param(
            "9:name=systemd:/\n4:cpu,memory:/slurm/job\n0::/\n",
            group(f"{_V1}/slurm/job", gib(6), 3, 1, 1),
            (6, 4, "group"),
            id="version-1",
        ),
        pytest.param(
            "4:memory:/\n",
            group(_V1, "9223372036854771712", 3, 1, 1),
            _MACHINE,
            id="version-1-none",
        ),
    ],
)
def test_the_tightest_limit_holds(
    tmp_path: Path, cgroup: str | None, files: dict[str, str], expected: tuple[float, float, str]
) -> None:
    kib = GIB // 1024
    here = {"proc/meminfo": f"MemTotal: {16 * kib} kB\nMemAvailable: {10 * kib} kB\n", **files}
    if cgroup is not None:
        here["proc/self/cgroup"] = cgroup
    for name, text in here.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    memory = available_memory(tmp_path)
    assert memory is not None
    total, available, limited_by = expected
    assert (memory.total / GIB, memory.available / GIB) == (total, available)
    assert limited_by in memory.limited_by


def test_a_system_without_proc_is_not_judged(tmp_path: Path) -> None:
    assert available_memory(tmp_path) is None


@pytest.mark.parametrize(
    ("total", "available", "usable"), [(100, 50, 45), (100, 5, 0), (100, 2, 0), (100, 100, 95)]
)
def test_what_ray_keeps_free_is_not_usable(total: int, available: int, usable: int) -> None:
    assert Memory(total, available, "a table").usable == usable
