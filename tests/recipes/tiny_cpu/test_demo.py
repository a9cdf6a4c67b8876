"""The demo of the recipe, the checkpoint that it left, and what it shows."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.recipes.trainer import run_for

pytest.importorskip("verl")

from recipes.tiny_cpu.demo.compare import read_outcomes
from recipes.tiny_cpu.demo.keep import WEIGHTS, keep
from recipes.training.runs.metrics import read_metrics
from recipes.training.runs.record import read_record
from recipes.training.runs.rollouts import read_steps


def test_the_kept_checkpoint_is_small_and_says_what_it_is(seeing_model: Path) -> None:
    assert sum(path.stat().st_size for path in seeing_model.iterdir()) < 4_000_000
    card = (seeing_model / "README.md").read_text()
    assert "Trained on synthetic faces" in card
    assert "make demo-train" in card


def test_a_kept_checkpoint_is_the_model_in_half_the_bytes(tiny_model: Path, tmp_path: Path) -> None:
    import torch
    from transformers import Qwen2_5_VLForConditionalGeneration as Model

    source = shutil.copytree(tiny_model, tmp_path / "source")
    (source / "README.md").write_text("# A model\n")
    (source / "run.json").write_text('{"config": "/home/somebody"}')
    size = keep(source, tmp_path / "kept")
    assert size < 0.51 * (source / WEIGHTS).stat().st_size
    assert (tmp_path / "kept" / "README.md").read_text().startswith("# A model\n")
    assert not (tmp_path / "kept" / "run.json").exists()
    before = Model.from_pretrained(source, dtype=torch.float32).state_dict()
    after = Model.from_pretrained(tmp_path / "kept", dtype=torch.float32).state_dict()
    assert all(torch.equal(before[name].bfloat16().float(), after[name]) for name in before)


@pytest.mark.training
def test_the_demo_goes_from_a_checkpoint_to_a_summary(seeing_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "demo"
    command: list[str | Path] = [sys.executable, "-m", "recipes.tiny_cpu.demo"]
    command += ["--out", out, "--quick", "--start", seeing_model, "--ignore-memory"]
    assert "GiB of memory" in run_for(12, command, {}).stdout
    summary = (out / "README.md").read_text()
    for model in ("SFT", "cold start", "GRPO"):
        assert f"| {model} | " in summary
    assert (out / "reward.png").is_file()
    assert (out / "report" / "index.html").is_file()
    scores = json.loads((out / "report" / "scores.json").read_text())
    accuracy = {run["name"]: run["strict"]["pooled"]["accuracy"] for run in scores["runs"]}
    # One face of each label; the start sees.
    assert accuracy["SFT"] > 0.7
    steps = read_metrics(out / "grpo")
    assert list(steps) == [1, 2]
    assert all(s["training/rollout_actor_probs_pearson_corr"] > 0.999 for s in steps.values())
    assert all(s["actor/grad_norm"] > 0 for s in steps.values())
    # Every rollout was kept, and what is read of them is what verl logged.
    rollouts = read_steps(out / "grpo")
    assert list(rollouts) == [1, 2]
    for step, kept in rollouts.items():
        assert kept.rollouts == 16 * 8
        assert kept.reward == pytest.approx(steps[step]["critic/rewards/mean"])
    assert "| without variance |" in summary
    # Nothing is left to do, and nothing is done again.
    again = run_for(3, command, {}).stdout
    assert "GRPO ..." in again
    # From the same cold start, on the same faces, another algorithm.
    command = [sys.executable, "-m", "recipes.tiny_cpu.demo.compare"]
    command += ["--out", out, "--quick", "--start", seeing_model, "--ignore-memory"]
    command += ["--algorithms", "dapo", "--seeds", "1"]
    assert "| dapo | 1 | " in run_for(12, command, {}).stdout
    (outcome,) = read_outcomes(out)
    run = out / "runs" / "dapo-1" / "grpo"
    assert outcome.sampled >= 2 * 16
    assert outcome.kl >= 0
    # No group without variance is left, and a group's rewards are the reward of its answers.
    for step, kept in read_steps(run).items():
        assert kept.rollouts == 16 * 8
        assert kept.zero_variance == 0
        assert kept.reward == pytest.approx(read_metrics(run)[step]["critic/rewards/mean"])
    record = read_record(run)
    assert record.algorithm == "dapo"
