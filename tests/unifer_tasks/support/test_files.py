"""Files that are whole or absent, and what no file may take the place of."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from unifer_tasks.cli.main import main
from unifer_tasks.support.files import atomic_write, explain, require_replaceable


@pytest.mark.parametrize("linked", [False, True])
def test_a_pipe_is_not_replaced_by_a_file(tmp_path: Path, linked: bool) -> None:
    os.mkfifo(tmp_path / "pipe")
    path = tmp_path / "pipe"
    if linked:
        path = tmp_path / "link"
        path.symlink_to("pipe")
    with pytest.raises(OSError, match="name a regular file") as caught, atomic_write(path):
        pass
    assert explain(caught.value).startswith(f"{path}: it is a pipe or a device, which a file would")
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/null", "/dev/fd/1", "/proc/self/fd/1"])
def test_a_stream_of_the_process_is_not_replaced_whatever_it_is(name: str) -> None:
    with pytest.raises(OSError, match="name a regular file"):
        require_replaceable(Path(name))


def test_what_may_be_replaced_is(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    (tmp_path / "link").symlink_to("old")
    (tmp_path / "dangling").symlink_to("gone")
    for name in ("old", "link", "dangling", "new"):
        with atomic_write(tmp_path / name) as partial:
            partial.write_text(name)
        assert (tmp_path / name).read_text() == name


def test_a_command_refuses_a_pipe_as_its_output_before_it_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "out.json")
    assert main(["score", str(tmp_path / "none.csv"), "--json", str(tmp_path / "out.json")]) == 1
    assert capsys.readouterr().err == (
        f"ferbench: {tmp_path}/out.json: it is a pipe or a device, which a file would replace; "
        "name a regular file\n"
    )


def test_an_error_without_a_number_keeps_its_own_text(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"^Unexpected end of stream$"), atomic_write(tmp_path / "a"):
        raise OSError("Unexpected end of stream")
    with pytest.raises(OSError, match="full") as caught, atomic_write(tmp_path / "a"):
        raise OSError(errno.ENOSPC, "full")
    assert caught.value.filename == str(tmp_path / "a")
