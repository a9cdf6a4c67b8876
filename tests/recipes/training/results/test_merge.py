"""A checkpoint is merged whole or not at all; real shards are merged in `test_sft`."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from recipes.training.cli.main import main
from recipes.training.runs.record import find_record, write_record
from tests.recipes.training.results.test_card import BASE, grpo
from tests.recipes.training.runs.test_checkpoints import GRPO, write

Merger = Callable[..., subprocess.CompletedProcess[bytes]]


def merger(status: int) -> Merger:
    """Stand in for verl's merger, without its work."""

    def run(command: list[str], *, check: bool) -> subprocess.CompletedProcess[bytes]:
        out = Path(command[command.index("--target_dir") + 1])
        out.mkdir()
        (out / "config.json").write_text("{}")
        return subprocess.CompletedProcess(command, status)

    return run


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """Return the last checkpoint of a run of GRPO."""
    run = tmp_path / "run"
    step = write(run, 200, GRPO)
    write_record(run, grpo(BASE, preset="unifer"))
    return step


@pytest.mark.parametrize("part", [".", "actor", "actor/huggingface"])
def test_a_merged_model_has_a_card_and_its_record(
    checkpoint: Path, part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recipes.training.results.merge.subprocess.run", merger(0))
    out = tmp_path / "merged"
    assert main(["merge", str(checkpoint / part), str(out)]) == 0
    assert "## GRPO, 200 steps" in (out / "README.md").read_text()
    record = find_record(out)
    assert record is not None
    assert (record.step, record.model) == (200, BASE)
    assert not any("/rows/" in path.read_text() for path in out.iterdir())


def test_a_merge_that_failed_leaves_nothing_and_starts_anew(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "merged"
    monkeypatch.setattr("recipes.training.results.merge.subprocess.run", merger(1))
    assert main(["merge", str(checkpoint), str(out)]) == 1
    assert "verl's merger exited 1" in capsys.readouterr().err
    assert not out.exists()
    monkeypatch.setattr("recipes.training.results.merge.subprocess.run", merger(0))
    assert main(["merge", str(checkpoint), str(out)]) == 0
    assert main(["merge", str(checkpoint), str(out)]) == 1
    assert "exists; choose another folder" in capsys.readouterr().err


def test_what_is_no_whole_checkpoint_of_a_run_is_refused(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "merged"
    (checkpoint.parent / "run.json").unlink()
    assert main(["merge", str(checkpoint), str(out)]) == 1
    said = capsys.readouterr().err
    assert "lies in no run that unifer-train recorded: put run.json of its run into" in said
    (checkpoint / "data.pt").unlink()
    assert main(["merge", str(checkpoint), str(out)]) == 1
    assert "data.pt is missing; give RUN/global_step_N" in capsys.readouterr().err
    other = write(checkpoint.parent, 100, GRPO)
    assert main(["merge", str(checkpoint), str(out)]) == 1
    assert f"data.pt is missing; give another one, such as {other}" in capsys.readouterr().err


def test_scores_are_read_before_the_merge(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr("recipes.training.results.merge.subprocess.run", None)
    (tmp_path / "scores.json").write_text('{"results": {"mmmu": {"acc,none": 1}}}')
    for name, message in (("scores", "holds no score of a ferbench task"), ("none", "no such fil")):
        scores = str(tmp_path / f"{name}.json")
        assert main(["merge", str(checkpoint), str(tmp_path / "out"), "--scores", scores]) == 1
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (None, "is not a directory"),
        ([], "holds no shards; give RUN/global_step_N"),
        (["config.json", "model.safetensors"], "is a Hugging Face folder already"),
        (["adapter_config.json", "adapter_model.safetensors"], "is an adapter and no checkpoint"),
    ],
)
def test_what_is_no_checkpoint_is_told_in_a_sentence(
    files: list[str] | None, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "given"
    for name in files or ():
        folder.mkdir(exist_ok=True)
        (folder / name).touch()
    if files == []:
        folder.mkdir()
    assert main(["merge", str(folder), str(tmp_path / "out")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not (tmp_path / "out").exists()


def test_of_a_runs_folder_the_newest_checkpoint_is_named(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["merge", str(checkpoint.parent), str(tmp_path / "out")]) == 1
    assert f"give one of its checkpoints, such as {checkpoint}" in capsys.readouterr().err


def test_an_adapter_that_cannot_be_merged_leaves_nothing(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    pytest.importorskip("verl")
    from recipes.training.results.adapter_merger import AdapterError

    record = grpo(BASE, preset="unifer")
    record.config["actor_rollout_ref"]["model"].update(lora_rank=8, lora_alpha=16)
    write_record(checkpoint.parent, record)

    def merge_adapter(shards: Path, out: Path, adapter: object, base: str) -> float:
        out.mkdir()
        raise AdapterError("it has not been trained")

    monkeypatch.setattr("recipes.training.results.adapter_merger.merge_adapter", merge_adapter)
    assert main(["merge", str(checkpoint), str(tmp_path / "out")]) == 1
    assert "it has not been trained" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
