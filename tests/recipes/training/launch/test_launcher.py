"""A run ends well only at its last step, cleans up when it is ended, and resumes what it began."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("verl")

from recipes.training.cli.main import main
from recipes.training.configuration.compose import read_settings
from recipes.training.launch.cleanup import run_processes
from recipes.training.runs.record import read_record
from tests.recipes.trainer import data
from tests.recipes.training.runs.test_checkpoints import SFT, write


@dataclass(frozen=True, slots=True)
class Run:
    """A run of SFT of six steps on two ranks: its folder and its command line."""

    folder: Path
    command: list[str]


@pytest.fixture
def sft(drawn_rows: Path, seeing_model: Path, tmp_path: Path) -> Run:
    overrides = [
        *data(drawn_rows / "cot"), f"model.path={seeing_model}", "data.train_batch_size=4",
        "data.micro_batch_size_per_gpu=2", "trainer.n_gpus_per_node=2", "trainer.total_epochs=2",
        f"trainer.default_local_dir={tmp_path / 'run'}",
    ]  # fmt: skip
    return Run(tmp_path / "run", ["sft", "--config", "tiny", *overrides])


def trainer(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Put a program in the place of verl's trainer."""
    monkeypatch.setattr(
        "recipes.training.launch.launcher.command", lambda *_: [sys.executable, "-c", code]
    )


@pytest.mark.parametrize(
    ("name", "reached", "more", "status", "message"),
    [
        ("SIGTERM", None, [], 1, "ended by SIGTERM; no checkpoint was written yet, and the same"),
        ("SIGINT", 4, [], 130, "interrupted; the same command resumes from {run}/global_step_4"),
        ("SIGINT", 4, ["trainer.resume_mode=disable"], 130, "disable the same command starts as"),
    ],
)
def test_a_request_to_end_cleans_up_and_says_how_the_run_continues(
    sft: Run, name: str, reached: int | None, more: list[str], status: int, message: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    waits = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'input()']); input()"
    trainer(monkeypatch, f"import os, signal; os.kill({os.getpid()}, signal.{name}); {waits}")
    if reached is not None:
        write(sft.folder, reached, SFT)
    before = signal.getsignal(signal.SIGTERM)
    try:
        found = main([*sft.command, *more])
    finally:
        signal.signal(signal.SIGTERM, before)
    assert found == status
    assert message.format(run=sft.folder) in capsys.readouterr().err
    assert not run_processes(sft.folder)
    assert read_record(sft.folder).stage == "sft"


@pytest.mark.parametrize(
    ("reached", "message"),
    [
        (None, "the trainer ended well and left no checkpoint in"),
        (4, "the trainer exited 0 after step 4 of 6; see"),
        (6, None),
    ],
)
def test_an_end_before_the_last_step_is_a_failure(
    sft: Run, reached: int | None, message: str | None,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    code = "pass"
    if reached is not None:
        made = write(sft.folder.parent / "made", reached, SFT)
        code = f"import shutil; shutil.copytree({str(made)!r}, {str(sft.folder / made.name)!r})"
    trainer(monkeypatch, code)
    assert main(sft.command) == (0 if message is None else 1)
    said = capsys.readouterr()
    if message is None:
        assert f"done: {sft.folder / 'global_step_6'}" in said.out
    else:
        assert message in said.err


@pytest.mark.parametrize(
    ("given", "logged", "message"),
    [
        (["trainer.save_freq=-1"], 2, None),
        (["trainer.save_freq=-1"], 1, "the trainer exited 0 after step 1 of 2; see"),
        (["trainer.save_freq=-1", "trainer.logger=[console]"], 0, None),
        (["trainer.val_only=true", "trainer.val_before_train=true"], 0, None),
    ],
)
def test_a_run_that_is_to_write_no_checkpoint_ends_well_at_its_last_step(
    drawn_rows: Path, tiny_model: Path, tmp_path: Path, given: list[str], logged: int,
    message: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    lines = "".join(f'{{"step": {n}, "data": {{}}}}\n' for n in range(1, logged + 1))
    writes = f"pathlib.Path(os.environ['VERL_FILE_LOGGER_PATH']).write_text({lines!r})"
    trainer(monkeypatch, f"import os, pathlib; {writes}")
    size = "log_prob_micro_batch_size_per_gpu=32"
    overrides = [
        *data(drawn_rows / "rlvr"), f"actor_rollout_ref.model.path={tiny_model}",
        "data.train_batch_size=4", "actor_rollout_ref.actor.ppo_mini_batch_size=4",
        f"actor_rollout_ref.ref.{size}", f"actor_rollout_ref.rollout.{size}",
        "trainer.total_training_steps=2", f"trainer.default_local_dir={tmp_path / 'run'}",
    ]  # fmt: skip
    status = main(["grpo", "--config", "tiny", *overrides, *given])
    said = capsys.readouterr()
    assert status == (0 if message is None else 1), said.err
    assert "note: trainer." in said.err
    if message is None:
        assert "done: no checkpoint was asked for" in said.out
    else:
        assert message in said.err


def test_sft_needs_rows_to_validate_on_only_where_it_validates(
    sft: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = write(sft.folder.parent / "made", 6, SFT)
    copies = f"import shutil; shutil.copytree({str(made)!r}, {str(sft.folder / made.name)!r})"
    trainer(monkeypatch, copies)
    assert main([*sft.command, "data.val_files=null"]) == 1
    assert "data.val_files is not given" in capsys.readouterr().err
    assert main([*sft.command, "data.val_files=null", "trainer.test_freq=-1"]) == 0
    assert "note: data.val_files is not given: the run is not validated" in capsys.readouterr().err


RANK_8 = ["model.lora_rank=8"]


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ([], [], None),
        (RANK_8, RANK_8, None),
        # verl would scale the trained matrices by the new one, without a word.
        (RANK_8, [*RANK_8, "model.lora_alpha=64"], "was trained with LoRA rank 8, LoRA alpha 16"),
        (RANK_8, ["model.lora_rank=4"], "this run has LoRA rank 4"),
        (RANK_8, [], "this run has all weights"),
        ([], RANK_8, "was trained with all weights"),
    ],
)
def test_a_run_is_resumed_with_the_adapter_that_it_began_with(
    sft: Run, first: list[str], second: list[str], message: str | None,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    trainer(monkeypatch, "raise SystemExit(3)")
    assert main([*sft.command, *first]) == 1
    write(sft.folder, 2, SFT)
    capsys.readouterr()
    assert main([*sft.command, *second]) == 1
    said = capsys.readouterr().err
    if message is None:
        assert "exited 3" in said
    else:
        assert message in said
        assert "give the same, or merge it" in said
        began = read_settings("sft", "tiny", first).model.adapter
        assert read_record(sft.folder).adapter == began
