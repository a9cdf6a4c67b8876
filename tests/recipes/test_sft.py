"""verl's SFT runs for real on a CPU, on one rank and on two."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.recipes.trainer import data, run_for

pytest.importorskip("verl")

from recipes.training.launch.launcher import LOG_NAME, launch
from recipes.training.runs.metrics import read_steps

pytestmark = pytest.mark.training


def command(rows: Path, model: Path, out: Path, *overrides: str) -> list[str]:
    return [
        sys.executable, "-m", "recipes.training.launch.launcher", "sft", "recipes/tiny_cpu/sft_tiny.yaml",
        *data(rows / "cot"), f"model.path={model}", f"trainer.default_local_dir={out}",
        "data.train_batch_size=4", "trainer.save_freq=1", "trainer.total_epochs=2", *overrides,
    ]  # fmt: skip


def assert_loads(checkpoint: Path) -> None:
    from transformers import AutoProcessor, Qwen2_5_VLForConditionalGeneration

    AutoProcessor.from_pretrained(checkpoint)
    Qwen2_5_VLForConditionalGeneration.from_pretrained(checkpoint)


def test_one_rank_trains(drawn_rows: Path, tiny_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = run_for(4, [*command(drawn_rows, tiny_model, out, "data.micro_batch_size_per_gpu=4"),
                       "trainer.total_training_steps=2"])  # fmt: skip
    assert f"done: {out / 'global_step_2'}" in done.stdout
    steps = read_steps(out / LOG_NAME)
    assert list(steps) == [1, 2]
    assert all(step["train/grad_norm"] > 0 for step in steps.values())
    assert len(list((out / "global_step_2").glob("model_world_size_1_rank_*.pt"))) == 1
    assert_loads(out / "global_step_2" / "huggingface")


def test_two_ranks_go_on_where_they_stopped(
    drawn_rows: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "run"
    of = command(
        drawn_rows, tiny_model, out, "data.micro_batch_size_per_gpu=2", "trainer.n_gpus_per_node=2"
    )
    first = run_for(4, [*of, "trainer.total_training_steps=2"])
    assert f"done: {out / 'global_step_2'}" in first.stdout
    # As a kill between the checkpoint and the file that names it leaves them.
    (out / "latest_checkpointed_iteration.txt").write_text("")
    second = run_for(4, [*of, "trainer.total_training_steps=4"])
    assert f"done: {out / 'global_step_4'}" in second.stdout
    assert "now names step 2" in second.stdout
    assert "step:3 " in second.stdout
    assert "step:2 " not in second.stdout
    steps = read_steps(out / LOG_NAME)
    assert list(steps) == [1, 2, 3, 4]
    assert all(math.isfinite(step["train/loss"]) for step in steps.values())
    assert all(step["train/grad_norm"] > 0 for step in steps.values())
    assert math.isfinite(steps[4]["val/loss"])
    assert len(list((out / "global_step_4").glob("model_world_size_2_rank_*.pt"))) == 2
    assert_loads(out / "global_step_4" / "huggingface")
    # In this process, without verl: there is nothing to launch.
    monkeypatch.setenv("VERL_PLATFORM", "cpu")
    config, *overrides = [*of[4:], "trainer.total_training_steps=4"]
    assert launch("sft", REPOSITORY / config, overrides) == out / "global_step_4"
    assert "nothing is left to do" in capsys.readouterr().out
