"""What a killed run leaves is ended by the next one, and by nobody else."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import psutil
import pytest

from recipes.training.launch.cleanup import (
    RUN_VARIABLE,
    SHARED_MEMORY,
    run_processes,
    sole_run,
)
from recipes.training.launch.errors import RunningError
from tests.conftest import REPOSITORY

HOLD = """
import os, subprocess, sys
from pathlib import Path
from recipes.training.launch.cleanup import RUN_VARIABLE, sole_run
from tests.recipes.training.launch.test_cleanup import CHILD

run = Path(sys.argv[1])
with sole_run(run):
    env = {**os.environ, RUN_VARIABLE: str(run)}
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD], env=env,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )
    print(child.pid, child.stdout.readline().strip(), flush=True)
    input()
"""
# As Python's SharedMemory does, without the process by which that cleans up.
CHILD = """
import mmap, os, tempfile
file = tempfile.NamedTemporaryFile(dir="/dev/shm", prefix="psm_", delete=False)
file.truncate(64)
held = mmap.mmap(file.fileno(), 64)
print(os.path.basename(file.name), flush=True)
input()
"""


def until(is_so: Callable[[], bool]) -> None:
    """Wait for what another process does in a moment."""
    for _ in range(300):
        if is_so():
            return
        time.sleep(0.1)
    raise AssertionError("it did not come to be")


@pytest.fixture
def killed(tmp_path: Path) -> tuple[Path, psutil.Process, str]:
    """Leave a run whose launcher was killed: its folder, a process and a segment that it left."""
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
    record = run / f".shared-memory-{socket.gethostname()}"
    until(lambda: record.exists() and segment in record.read_text())
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
    assert "removed 1 buffers of the run" in told


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


def test_a_process_may_end_by_the_end_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        gone = psutil.Process(child.pid)
    monkeypatch.setattr("recipes.training.launch.cleanup.run_processes", lambda _: [gone])
    monkeypatch.setattr(psutil, "wait_procs", lambda processes, timeout: ([], processes))
    with sole_run(tmp_path):
        pass


def test_what_a_run_mapped_is_known_after_all_of_it_was_killed(
    killed: tuple[Path, psutil.Process, str],
) -> None:
    run, left, segment = killed
    left.kill()
    left.wait()
    with sole_run(run):
        assert not (SHARED_MEMORY / segment).exists()


def test_a_segment_of_another_process_stays(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with sole_run(run):
        # Made while the run is at work, by the same user, and mapped by nobody in the end.
        segment = SharedMemory(create=True, size=64)
        segment.close()
    try:
        assert (SHARED_MEMORY / segment.name).exists()
        # Nor is one of the name of a run's, but made by another since.
        (run / f".held-by-{socket.gethostname()}").write_text("1\n")
        (run / f".shared-memory-{socket.gethostname()}").write_text(f"{segment.name} 1\ngarbage\n")
        with sole_run(run):
            assert (SHARED_MEMORY / segment.name).exists()
    finally:
        segment.unlink()


def test_a_segment_in_use_stays(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with sole_run(run):
        pass
    segment = SharedMemory(create=True, size=64)
    path = SHARED_MEMORY / segment.name
    for mapped in (True, False):
        (run / f".held-by-{socket.gethostname()}").write_text("1\n")
        record = run / f".shared-memory-{socket.gethostname()}"
        record.write_text(f"{segment.name} {path.stat().st_ino}\n")
        if not mapped:
            segment.close()
        with sole_run(run):
            assert path.exists() is mapped
    resource_tracker.unregister(f"/{segment.name}", "shared_memory")


def test_a_run_that_ended_leaves_its_folder_free(tmp_path: Path) -> None:
    for _ in range(2):
        with sole_run(tmp_path / "run"):
            pass
