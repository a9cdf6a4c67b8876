"""Which changes of files make another model."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from unifer_tasks.harness.requests import model_files
from unifer_tasks.harness.requests.model_files import digest_files

SHARD = "model-00001-of-00001.safetensors"
LARGE = model_files._LARGEST_READ + 1


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("config.json", "tokenizer.json", "chat_template.jinja", "README.md", ".lock"):
        (folder / name).write_text("one")
    with (folder / SHARD).open("wb") as file:
        file.truncate(LARGE)
    return folder


def rewrite(name: str) -> Callable[[Path], object]:
    return lambda model: (model / name).write_text("two")


def retrain(model: Path) -> None:
    """Write other weights of the same size."""
    with (model / SHARD).open("r+b") as file:
        file.write(b"two")


def wait(model: Path) -> None:
    """Date the same files at another time."""
    for file in (model / "config.json", model / "tokenizer.json"):
        os.utime(file, (0, 0))


@pytest.mark.parametrize(
    ("change", "is_other"),
    [
        (rewrite("config.json"), True),
        (rewrite("tokenizer.json"), True),
        (rewrite("chat_template.jinja"), True),
        (rewrite("adapter_config.json"), True),
        (retrain, True),
        (rewrite("README.md"), False),
        (rewrite(".lock"), False),
        (wait, False),
        (lambda model: (model / "results").mkdir(), False),
    ],
)
def test_what_is_another_model(
    model: Path, change: Callable[[Path], object], is_other: bool
) -> None:
    # Long ago, whatever the resolution of the file system's clock.
    os.utime(model / SHARD, (1, 1))
    before = digest_files([str(model)])
    assert before.keys() == {str(model)}
    change(model)
    assert (digest_files([str(model)]) != before) == is_other


def test_a_file_counts_by_its_content(tmp_path: Path) -> None:
    template = tmp_path / "template.jinja"
    digests = []
    for text in ("one", "two", "one"):
        template.write_text(text)
        digests.append(digest_files([str(template)]))
    assert digests[0] == digests[2] != digests[1]


def test_a_hub_id_counts_by_its_cached_revision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(hub.file_download, "HF_HUB_CACHE", str(tmp_path), raising=False)
    commits = {"main": "a" * 40, "v2": "b" * 40}
    for name, commit in commits.items():
        repository = tmp_path / "models--owner--model"
        snapshot = repository / "snapshots" / commit
        snapshot.mkdir(parents=True)
        (snapshot / "config.json").write_text("{}")
        (repository / "refs").mkdir(exist_ok=True)
        (repository / "refs" / name).write_text(commit)
    assert digest_files(["owner/model"]) == {"owner/model": commits["main"]}
    assert digest_files(["owner/model"], "v2") == {"owner/model": commits["v2"]}


@pytest.mark.parametrize(
    "value", ["", "cpu", "gpt-4o", "owner/absent", "http://a:1/v1", "{}", "a" * 5000, "--x..y"]
)
def test_other_arguments_have_no_files(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "notes.txt").write_text("no model")
    monkeypatch.chdir(tmp_path)
    assert digest_files([value]) == {}
