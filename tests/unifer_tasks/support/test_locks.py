"""One run at a time: across processes, killed and forked ones among them."""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY
from unifer_tasks.cli.main import main
from unifer_tasks.support import locks
from unifer_tasks.support.files import atomic_write
from unifer_tasks.support.locks import LOCK_NAME, BusyError, HoldError, hold, hold_file

HOLD = """
import sys
from pathlib import Path
from unifer_tasks.support.locks import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, folder],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_process_is_told_who_holds_the_lock(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    first = holder(folder)
    message = rf"another run is at work in .*out \(process {first.pid} on \S+\)"
    for _ in range(2):
        with pytest.raises(BusyError, match=message), hold(folder):
            pass
    first.communicate("\n")
    assert not folder.exists()
    with hold(folder):
        assert [path.name for path in folder.iterdir()] == [LOCK_NAME]
        (folder / "result").touch()
    assert [path.name for path in folder.iterdir()] == ["result"]


def test_a_kill_lets_go(tmp_path: Path) -> None:
    first = holder(tmp_path)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert (tmp_path / LOCK_NAME).exists()
    with hold(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def _wait(ready: multiprocessing.synchronize.Event) -> None:
    ready.wait()


def test_a_forked_child_that_lives_on_holds_nothing(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    ended = fork.Event()
    with hold(tmp_path):
        child = fork.Process(target=_wait, args=(ended,))
        child.start()
        with pytest.raises(BusyError), hold(tmp_path):
            pass
    with hold(tmp_path):
        assert child.is_alive()
    ended.set()
    child.join()


def test_a_run_that_waits_gets_the_folder(tmp_path: Path) -> None:
    first = holder(tmp_path)
    assert first.stdin is not None
    second = subprocess.Popen(
        [sys.executable, "-c", HOLD.replace("1]))", "1]), wait=True)"), tmp_path],
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert second.poll() is None
    first.communicate("\n")
    assert second.communicate()[0] == "held\n"


def test_files_beside_one_another_are_held_apart(tmp_path: Path) -> None:
    busy = pytest.raises(BusyError, match=r"another run is writing .*/new/a")
    first, beside = hold_file(tmp_path / "new/a"), hold_file(tmp_path / "new/b")
    with first, beside, busy, hold_file(tmp_path / "new/a"):
        pass
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize(
    "reason", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP], ids=errno.errorcode.get
)
def test_a_file_system_without_locks_is_warned_about_and_used(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    reason: int,
) -> None:
    def no_flock(*args: object) -> None:
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(fcntl, "flock", no_flock)
    locks._warn.cache_clear()
    for _ in range(2):
        with hold(tmp_path):
            (tmp_path / "result").touch()
    (warning,) = capsys.readouterr().err.splitlines()
    assert warning.startswith(f"WARNING: the file system of {tmp_path} cannot lock files")
    assert [path.name for path in tmp_path.iterdir()] == ["result"]


def test_another_failure_of_the_lock_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", broken)
    with (
        pytest.raises(HoldError, match=r"cannot be written to .Input/output error"),
        hold(tmp_path),
    ):
        pass


def test_what_is_not_a_folder_to_write_to_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder, message in {
        tmp_path / "file": "file is a file; choose another folder",
        tmp_path / "file/below": "below cannot be written to .Not a directory",
        Path("/proc/unifer"): "/proc/unifer cannot be written to",
    }.items():
        with pytest.raises(HoldError, match=message), hold(folder):
            pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_folder_is_a_sentence(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    with pytest.raises(HoldError, match=r"cannot be written to .Permission denied"), hold(tmp_path):
        pass


def test_a_full_disk_is_a_sentence_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = '{"dataset": "sfew", "id": "a", "target": "sad", "label": "sad"}\n'
    (tmp_path / "rows.jsonl").write_text(row)
    opened = Path.open

    def open_full(path: Path, *args: Any, **options: Any) -> Any:
        return opened(Path("/dev/full") if path.suffix == ".partial" else path, *args, **options)

    monkeypatch.setattr(Path, "open", open_full)
    arguments = ["score", tmp_path / "rows.jsonl", "--json", tmp_path / "scores.json"]
    assert main(list(map(str, arguments))) == 1
    assert capsys.readouterr().err == (
        f"ferbench: {tmp_path / 'scores.json'}: no space is left on the disk; make room, or write "
        "to another one\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


@pytest.mark.parametrize("is_directory", [False, True])
def test_what_is_left_under_the_temporary_name_is_not_written_through(
    tmp_path: Path, is_directory: bool
) -> None:
    target = tmp_path / "other"
    (target / "thesis.tex").parent.mkdir()
    (target / "thesis.tex").write_text("dear")
    link = tmp_path / "rows.json.partial"
    link.symlink_to(target if is_directory else target / "thesis.tex")
    with atomic_write(tmp_path / "rows.json") as partial:
        partial.write_text("new")
    assert (tmp_path / "rows.json").read_text() == "new"
    assert (target / "thesis.tex").read_text() == "dear"
    assert not link.is_symlink()
