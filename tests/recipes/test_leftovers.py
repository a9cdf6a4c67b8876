"""What a killed run leaves is ended by the next one, and by nobody else."""

from __future__ import annotations

import os
import subprocess
import sys
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import psutil
import pytest

from recipes.leftovers import (
    RUN_VARIABLE,
    SHARED_MEMORY,
    RunningError,
    orphaned_segments,
    run_processes,
    sole_run,
)
from tests.conftest import REPOSITORY

HOLD = """
import os, subprocess, sys
from pathlib import Path
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory
from recipes.leftovers import RUN_VARIABLE, sole_run

run = Path(sys.argv[1])
with sole_run(run):
    env = {**os.environ, RUN_VARIABLE: str(run)}
    child = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"], env=env,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
    )
    child.stdout.readline()
    segment = SharedMemory(create=True, size=64)
    resource_tracker.unregister(segment._name, "shared_memory")
    print(child.pid, segment.name, flush=True)
    input()
"""


@pytest.fixture
def killed(tmp_path: Path) -> tuple[Path, psutil.Process, str]:
    """A run whose launcher was killed: its folder, a process and a segment that it left."""
    run = tmp_path / "run"
    # A terminal that stays: what is killed is the launcher alone.
    reader, writer = os.pipe()
    launcher = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run)],
        stdin=reader,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert launcher.stdout is not None
    pid, segment = launcher.stdout.readline().split()
    with pytest.raises(RunningError, match=rf"held by process {launcher.pid}"), sole_run(run):
        pass
    left = psutil.Process(int(pid))
    left.suspend()
    launcher.kill()
    launcher.wait()
    os.close(writer)
    os.close(reader)
    return run, left, segment


def test_the_next_run_ends_what_a_killed_one_left(
    killed: tuple[Path, psutil.Process, str], capsys: pytest.CaptureFixture[str]
) -> None:
    run, left, segment = killed
    assert run_processes(run) == [left]
    assert (SHARED_MEMORY / segment).exists()
    with sole_run(run):
        assert not left.is_running()
        assert not (SHARED_MEMORY / segment).exists()
    told = capsys.readouterr().out
    assert f"ended 1 processes left of a run in {run}: {left.pid}" in told
    assert "removed 1 weight buffers" in told


def test_another_run_is_left_alone(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    env = {**os.environ, RUN_VARIABLE: str(other)}
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], env=env, stdin=subprocess.PIPE
    ) as process:
        with sole_run(mine):
            pass
        assert process.poll() is None
        process.kill()


def test_a_segment_in_use_is_left_alone() -> None:
    segment = SharedMemory(create=True, size=64)
    path = SHARED_MEMORY / segment.name
    try:
        assert path not in orphaned_segments(0)
        segment.close()
        assert path in orphaned_segments(path.stat().st_ctime)
        assert path not in orphaned_segments(path.stat().st_ctime + 1)
    finally:
        segment.unlink()


def test_a_run_that_ended_leaves_its_folder_free(tmp_path: Path) -> None:
    for _ in range(2):
        with sole_run(tmp_path / "run"):
            pass
