"""verl's SFT runs for real on a CPU, on one rank and on two."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from tests.recipes.trainer import Trainers, assert_moved_but_vision, data, run_long, weights

pytest.importorskip("verl")

from recipes.training.cli.main import main
from recipes.training.runs.metrics import read_metrics

pytestmark = pytest.mark.training


def command(rows: Path, model: Path, out: Path, *overrides: str) -> list[str]:
    return [
        "sft", "--config", "tiny",
        *data(rows / "cot"), f"model.path={model}", f"trainer.default_local_dir={out}",
        "data.train_batch_size=4", "trainer.save_freq=1", "trainer.total_epochs=2", *overrides,
    ]  # fmt: skip


def assert_loads(checkpoint: Path) -> None:
    from transformers import AutoProcessor, Qwen2_5_VLForConditionalGeneration

    AutoProcessor.from_pretrained(checkpoint)
    Qwen2_5_VLForConditionalGeneration.from_pretrained(checkpoint)


def test_one_rank_trains_all_but_the_vision_tower(
    drawn_rows: Path, tiny_model: Path, tmp_path: Path, bin_folder: Path
) -> None:
    out = tmp_path / "run"
    of = command(
        drawn_rows, tiny_model, out, "data.micro_batch_size_per_gpu=4", "method=frozen_vision"
    )
    # The other trainers are forked; this one is started as a user's is.
    done = run_long([bin_folder / "unifer-train", *of, "trainer.total_training_steps=2"])
    assert f"done: {out / 'global_step_2'}" in done.stdout
    steps = read_metrics(out)
    assert list(steps) == [1, 2]
    assert all(step["train/grad_norm"] > 0 for step in steps.values())
    assert len(list((out / "global_step_2").glob("model_world_size_1_rank_*.pt"))) == 1
    trained = out / "global_step_2" / "huggingface"
    assert_loads(trained)
    assert_moved_but_vision(tiny_model, trained)


def test_two_ranks_resume_where_they_stopped(
    drawn_rows: Path, tiny_model: Path, tmp_path: Path, trainers: Trainers,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "run"
    of = command(
        drawn_rows, tiny_model, out, "data.micro_batch_size_per_gpu=2", "trainer.n_gpus_per_node=2"
    )
    first = trainers.run("unifer-train", *of, "trainer.total_training_steps=2")
    assert f"done: {out / 'global_step_2'}" in first.stdout
    # As a kill between the checkpoint and the file that names it leaves them.
    (out / "latest_checkpointed_iteration.txt").write_text("")
    second = trainers.run("unifer-train", *of, "trainer.total_training_steps=4")
    assert f"done: {out / 'global_step_4'}" in second.stdout
    assert "now names step 2" in second.stdout
    assert "step:3 " in second.stdout
    assert "step:2 " not in second.stdout
    steps = read_metrics(out)
    assert list(steps) == [1, 2, 3, 4]
    assert all(math.isfinite(step["train/loss"]) for step in steps.values())
    assert all(step["train/grad_norm"] > 0 for step in steps.values())
    assert math.isfinite(steps[4]["val/loss"])
    assert len(list((out / "global_step_4").glob("model_world_size_2_rank_*.pt"))) == 2
    assert_loads(out / "global_step_4" / "huggingface")
    # In this process, without verl: there is nothing to launch.
    assert main([*of, "trainer.total_training_steps=4"]) == 0
    assert "nothing is left to do" in capsys.readouterr().out
    # The shards of two ranks are put together as in verl's own export, and rounded to bfloat16.
    assert main(["merge", str(out / "global_step_4"), str(tmp_path / "merged")]) == 0
    for path in (tmp_path / "merged").iterdir():
        assert str(tmp_path).encode() not in path.read_bytes(), path.name
    merged, exported = (
        weights(folder) for folder in (tmp_path / "merged", out / "global_step_4" / "huggingface")
    )
    assert merged.keys() == exported.keys()
    assert all(torch.equal(merged[name], exported[name].bfloat16().float()) for name in merged)
