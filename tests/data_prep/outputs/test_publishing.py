"""`--push`: what reaches the hub, what is refused at once, and what an interruption leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("huggingface_hub")

from data_prep.cli.main import main
from tests.conftest import run_command
from tests.data_prep import official
from tests.data_prep.hub_server import Hub, serving
from unifer_tasks.data.manifest import read_manifest

FILES = {"README.md", "manifest.json", "rafdb/test.parquet"}
NAME = "me/faces"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving(Hub()) as hub:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setenv("HF_TOKEN", "hf_of_a_test")
        yield hub


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return official.write_rafdb(tmp_path_factory.mktemp("rafdb"), 1)


def command(archive: Path, out: Path, repository: str = NAME) -> list[str]:
    run = ["ferbench", "--rafdb", archive, "--out", out, "--partial", "--jobs", "1"]
    return [*map(str, run), "--push", repository]


def test_the_result_is_published_in_a_new_private_dataset(
    archive: Path, tmp_path: Path, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(archive, tmp_path / "out")) == 0
    assert hub.files == {NAME: FILES}
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"published without images: {hub.url}/datasets/{NAME} (private)"


def test_what_an_earlier_push_left_goes_and_what_is_not_ours_stays(
    archive: Path, tmp_path: Path, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = {"notes.md", "mine.parquet", ".gitattributes"}
    hub.files[NAME] = {*mine, "train-00007.parquet", "sfew/test.parquet"}
    hub.public.add(NAME)
    assert main(command(archive, tmp_path / "out")) == 0
    assert hub.files == {NAME: FILES | mine}
    assert capsys.readouterr().out.endswith("(public)\n")


@pytest.mark.parametrize("status", [401, 403, 500, None])
def test_a_hub_that_does_not_take_it_leaves_the_result_to_be_published_again(
    archive: Path, tmp_path: Path, hub: Hub, status: int | None,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "out"
    with monkeypatch.context() as broken:
        hub.failing = status
        broken.setattr("time.sleep", lambda seconds: None)
        if status is None:
            broken.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:1")
        assert main(command(archive, out)) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"unifer-data: {out} is whole, but was not published as {NAME} (")
    assert said.endswith("); the same command publishes it")
    hub.failing = None
    assert main(command(archive, out)) == 0
    assert hub.files == {NAME: FILES}


@pytest.mark.parametrize(
    ("repository", "token", "message"),
    [
        ("faces", "hf_x", "a dataset on the hub is named USER/NAME"),
        ("me/my faces", "hf_x", "a dataset on the hub is named USER/NAME"),
        ("a/b/c", "hf_x", "a dataset on the hub is named USER/NAME"),
        ("https://huggingface.co/datasets/me/faces", "hf_x", "is named USER/NAME"),
        (NAME, None, "nobody is logged in to the hub; `hf auth login`, or set HF_TOKEN"),
    ],
)
def test_what_cannot_be_published_is_refused_before_any_work(
    archive: Path, tmp_path: Path, hub: Hub, repository: str, token: str | None, message: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    if token is None:
        monkeypatch.delenv("HF_TOKEN")
        monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    assert main(command(archive, tmp_path / "out", repository)) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"unifer-data: --push {repository}: ")
    assert message in said
    assert not (tmp_path / "out").exists()
    assert not hub.files


@pytest.mark.parametrize("name", ["SIGINT", "SIGKILL"])
def test_an_interrupted_push_leaves_the_dataset_as_it_was(
    archive: Path, tmp_path: Path, hub: Hub, bin_folder: Path, name: str
) -> None:
    out, before = tmp_path / "out", {"README.md", "sfew/test.parquet"}
    hub.files[NAME], hub.waits = {*before}, threading.Event()
    run = [str(bin_folder / "unifer-data"), *command(archive, out)]
    settings = {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        run,
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not hub.asked.wait(1):
        pass
    process.send_signal(getattr(signal, name))
    printed, said = process.communicate()
    hub.waits.set()
    assert "published" not in printed
    assert "Traceback" not in said
    assert process.returncode == (130 if name == "SIGINT" else -signal.SIGKILL)
    assert hub.files == {NAME: before}
    assert read_manifest(out).n_rows == 7
    hub.waits = None
    again = run_command(run, env=settings)
    assert "published without images" in again.stdout
    assert hub.files == {NAME: FILES}
    assert not [path for path in out.iterdir() if path.name.startswith(".published")]
