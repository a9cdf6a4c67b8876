"""A forked command is a process as a started one is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import run_command
from tests.forked import Forked, serving
from tests.machine import ends

SHOW = """
import json, os, sys
print(json.dumps([os.getcwd(), os.environ["WHO"], sys.argv[1:], sys.stdin.read(), os.getpid()]))
print("beside", file=sys.stderr)
sys.exit(3)
"""


@pytest.fixture(scope="module")
def forked() -> Iterator[Forked]:
    """Start a server that imported next to nothing."""
    with (
        tempfile.TemporaryDirectory(prefix="forked", dir="/tmp") as folder,
        serving(Path(folder), {}, ["json"]) as server,
    ):
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write a folder with modules to run."""
    (tmp_path / "show.py").write_text(SHOW)
    (tmp_path / "wait.py").write_text("import time; print('here', flush=True); time.sleep(600)\n")
    (tmp_path / "environ.py").write_text("print(open('/proc/self/environ').read())\n")
    (tmp_path / "begin.py").write_text(
        "import subprocess, sys\n"
        "sys.exit(subprocess.run([sys.executable, *sys.argv[1:]]).returncode)\n"
    )
    return tmp_path


def test_it_has_the_callers_folder_environment_words_and_streams(
    forked: Forked, folder: Path
) -> None:
    done = subprocess.run(
        forked.command("-m", "show", "a b", "c"),
        cwd=folder,
        env={**os.environ, "WHO": "me", "PYTHONPATH": "unread"},
        input="said",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert json.loads(done.stdout)[:4] == [str(folder), "me", ["a b", "c"], "said"]
    assert done.stderr == "beside\n"


def test_others_see_the_callers_environment_too(forked: Forked, folder: Path) -> None:
    env = {"PATH": os.environ["PATH"], "WHO": "m\u00e9 = me", "LONG": "-" * 10_000}
    command = forked.command("-m", "environ")
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, check=True)
    shown = done.stdout.rstrip(b"\n\0").split(b"\0")
    assert {*shown} >= {os.fsencode(f"{name}={value}") for name, value in env.items()}


def test_a_console_script_is_its_entry_point(forked: Forked) -> None:
    shown = run_command(forked.command("ferbench", "--help"))
    assert shown.stdout.startswith("usage: ferbench")
    refused = run_command(forked.command("ferbench", "dance"), status=2)
    assert "invalid choice: 'dance'" in refused.stderr


def test_what_it_starts_by_its_own_python_is_forked_or_real(forked: Forked, folder: Path) -> None:
    for words in (["-m"], ["-u", "-m"]):
        forks = forked.command("-m", "begin", *words, "show", "a  b")
        done = run_command(forks, cwd=folder, env={"WHO": "it"}, status=3)
        assert json.loads(done.stdout)[1:3] == ["it", ["a  b"]]
    real = "import sys; print(sys.executable)"
    started = run_command(forked.command("-m", "begin", "-c", real), cwd=folder)
    assert started.stdout.strip() == sys.executable


@pytest.mark.parametrize(
    "code",
    [
        "print('unflushed')",
        "import sys; sys.exit(4)",
        "import sys; sys.exit('a message')",
        "raise ValueError('an error')",
        "import atexit; atexit.register(print, 'last')",
        "import threading; threading.Timer(0.2, print, ['late']).start()",
    ],
)
def test_its_end_is_that_of_a_start(forked: Forked, folder: Path, code: str) -> None:
    (folder / "end.py").write_text(code)
    real, fork = (
        run_command(command, cwd=folder, status=None)
        for command in ([sys.executable, "-m", "end"], forked.command("-m", "end"))
    )
    assert (fork.returncode, fork.stdout) == (real.returncode, real.stdout)
    assert fork.stderr.splitlines()[-1:] == real.stderr.splitlines()[-1:]


def test_its_end_by_a_signal_is_the_callers(forked: Forked, folder: Path) -> None:
    (folder / "end.py").write_text("import os; os.kill(os.getpid(), 15)\n")
    done = run_command(forked.command("-m", "end"), cwd=folder, status=None)
    assert done.returncode == -signal.SIGTERM


def test_an_end_is_told_while_later_ones_run(forked: Forked, folder: Path) -> None:
    (folder / "read.py").write_text("print('here', flush=True); input()\n")
    started = []
    for name in ("read", "wait"):
        command = forked.command("-m", name)
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        started.append(process)
    first, second = started
    first.communicate(b"\n")
    assert first.returncode == 0
    assert second.poll() is None
    second.kill()
    second.communicate()


def test_it_ends_with_its_caller(forked: Forked, folder: Path) -> None:
    (folder / "pid.py").write_text("import os; print(os.getpid(), flush=True); input()\n")
    caller = subprocess.Popen(
        forked.command("-m", "pid"), cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert caller.stdout is not None
    child = int(caller.stdout.readline())
    caller.kill()
    caller.wait()
    assert ends(child)
    assert run_command(forked.command("ferbench", "--help")).returncode == 0
