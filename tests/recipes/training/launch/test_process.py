"""A trainer is watched, and a failure cannot pass for a success."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from recipes.training.launch.errors import RunError
from recipes.training.launch.process import run
from tests.machine import ends
from tests.recipes.training.launch.test_fatal import DIED_RAYLET, OOM_RAYLET


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_what_a_trainer_says_is_shown_and_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "run" / "train.log"
    assert not run(python("print('step:1')"), log, 1).dropped
    assert not run(python("print('step:2')"), log, 1).dropped
    assert log.read_text() == "step:1\nstep:2\n"
    assert capsys.readouterr().out == "step:1\nstep:2\n"


def test_a_non_zero_exit_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"exited 3; see .*train\.log"):
        run(python("raise SystemExit(3)"), tmp_path / "train.log", 1)


def test_a_run_that_hangs_is_ended(tmp_path: Path) -> None:
    code = "import time; print('syncing', flush=True); time.sleep(600)"
    with pytest.raises(RunError, match=r"printed nothing for 0\.2 minutes"):
        run(python(code), tmp_path / "train.log", 0.2)
    assert (tmp_path / "train.log").read_text() == "syncing\n"


def test_groups_that_verl_dropped_are_counted(tmp_path: Path) -> None:
    code = "print('ERROR Error in _run_prompt: boom'); print('fine'); print('Error in _run_prompt')"
    assert run(python(code), tmp_path / "train.log", 1).dropped == 2


def test_rows_that_verl_leaves_out_end_the_run(tmp_path: Path) -> None:
    code = "print('train dataset size: 10, val dataset size: 4', flush=True); input()"
    log = tmp_path / "train.log"
    with pytest.raises(RunError, match="verl reads 10 of 12 rows to train on"):
        run(python(code), log, 1, rows=(12, 4))


def test_rows_that_verl_may_leave_out_are_noted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = "print('train dataset size: 10, val dataset size: 4')"
    printed = run(python(code), tmp_path / "train.log", 1, rows=(12, 4), may_leave_out=True)
    assert printed.rows == (10, 4)
    assert capsys.readouterr().err.startswith("note: verl reads 10 of 12 rows to train on; the")


@pytest.mark.parametrize(
    ("then", "grace", "message"),
    [
        (
            "import time; time.sleep(600)",
            1,
            "ended: ray killed a worker because the machine's memory was full; give the",
        ),
        # Others may go on to talk.
        (
            "import time\nwhile True: print('alive', flush=True); time.sleep(0.1)",
            1,
            "ended: ray killed a worker",
        ),
        ("raise SystemExit(3)", 600, "exited 3: ray killed a worker because the machine's memory"),
    ],
)
def test_a_trainer_that_lost_a_worker_is_ended_with_the_reason(
    then: str, grace: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recipes.training.launch.process.GRACE", grace)
    code = f"""
import subprocess, sys
print(subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE).pid)
print({DIED_RAYLET!r})
print({OOM_RAYLET!r}, flush=True)
{then}
"""
    log = tmp_path / "train.log"
    with pytest.raises(RunError) as caught:
        run(python(code), log, 60)
    assert message in str(caught.value)
    assert f"see {log}" in str(caught.value)
    assert ends(int(log.read_text().splitlines()[0]))


def test_what_ends_well_after_all_is_no_failure(tmp_path: Path) -> None:
    assert not run(python(f"print({DIED_RAYLET!r})"), tmp_path / "train.log", 1).dropped


def test_a_trainer_that_was_killed_is_not_waited_for(tmp_path: Path) -> None:
    # Its child holds the output open.
    code = """
import os, subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
os.kill(os.getpid(), 9)
"""
    with pytest.raises(RunError, match=r"exited -9 \(SIGKILL\): the kernel does that"):
        run(python(code), tmp_path / "train.log", 60)
