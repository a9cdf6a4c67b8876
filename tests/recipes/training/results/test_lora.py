"""Both stages with LoRA, for real: SFT, merged, GRPO from it, merged, evaluated."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("verl")

from peft import get_peft_model
from transformers import Qwen2_5_VLForConditionalGeneration as Model

from recipes.training.cli.main import main
from recipes.training.configuration.adapter import Adapter
from recipes.training.runs.checkpoints import sharded
from recipes.training.runs.metrics import read_metrics
from recipes.training.runs.record import find_record
from tests.conftest import run_command
from tests.forked import Forked
from tests.recipes.trainer import Trainers, assert_learns, data
from tests.recipes.training.results.test_adapter_merger import Weights, logits
from unifer_tasks.harness.models.weights import weight_problems

pytestmark = pytest.mark.training

ADAPTER = Adapter(8, 32, "all-linear", ".*visual.*")
LORA = ("lora_rank=8", "lora_alpha=32")


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage's run, and its last checkpoint merged."""

    run: Path
    checkpoint: Path
    merged: Path


def launch(trainers: Trainers, stage: str, rows: Path, out: Path, *overrides: str) -> Path:
    done = trainers.run(
        "unifer-train", stage, "--config", "tiny",
        *data(rows / {"sft": "cot", "grpo": "rlvr"}[stage]), f"trainer.default_local_dir={out}",
        *overrides,
    )  # fmt: skip
    return Path(done.stdout.splitlines()[-1].removeprefix("done: "))


def merge(checkpoint: Path, out: Path) -> Path:
    assert main(["merge", str(checkpoint), str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def cold_start(
    trainers: Trainers,
    drawn_rows: Path,
    seeing_model: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Stage:
    """SFT on two ranks, in two starts."""
    out = tmp_path_factory.mktemp("lora-sft")
    overrides = [
        "method=lora", *(f"model.{setting}" for setting in (f"path={seeing_model}", *LORA)),
        "data.train_batch_size=4", "data.micro_batch_size_per_gpu=2", "trainer.n_gpus_per_node=2",
        "trainer.total_epochs=100", "trainer.save_freq=2", "trainer.test_freq=-1",
    ]  # fmt: skip
    for steps in (2, 4):
        checkpoint = launch(
            trainers, "sft", drawn_rows, out / "run", *overrides,
            f"trainer.total_training_steps={steps}",
        )  # fmt: skip
        assert checkpoint == out / "run" / f"global_step_{steps}"
    return Stage(out / "run", checkpoint, merge(checkpoint, out / "merged"))


@pytest.fixture(scope="module")
def grpo(
    trainers: Trainers,
    drawn_rows: Path,
    cold_start: Stage,
    tmp_path_factory: pytest.TempPathFactory,
) -> Stage:
    """GRPO from the merged cold start."""
    out = tmp_path_factory.mktemp("lora-grpo")
    model = "actor_rollout_ref.model"
    checkpoint = launch(
        trainers, "grpo", drawn_rows, out / "run",
        "method=lora", *(f"{model}.{setting}" for setting in (f"path={cold_start.merged}", *LORA)),
        "data.train_batch_size=8", "actor_rollout_ref.actor.ppo_mini_batch_size=8",
        # Warm enough that the rewards of a group differ, fast enough that a step is seen.
        "actor_rollout_ref.rollout.temperature=1.5", "actor_rollout_ref.actor.optim.lr=3e-3",
        "actor_rollout_ref.actor.optim.lr_warmup_steps=0",
        "trainer.total_training_steps=2", "trainer.save_freq=2", "trainer.test_freq=-1",
        "trainer.total_epochs=10", "trainer.val_before_train=false",
    )  # fmt: skip
    return Stage(out / "run", checkpoint, merge(checkpoint / "actor", out / "merged"))


def trained(stage: Stage, base: Path) -> Any:
    """Return the model that was trained, put together by peft from a base and verl's shards."""
    ranks = sorted(sharded(stage.checkpoint).glob("model_world_size_*.pt"))
    shards = [torch.load(path, weights_only=False) for path in ranks]
    weights: Weights = {
        name: torch.cat([shard[name].to_local() for shard in shards])
        for name in shards[0]
        if ".lora_" in name
    }
    model = get_peft_model(Model.from_pretrained(base, dtype=torch.float32), ADAPTER.peft()).eval()
    assert not model.load_state_dict(weights, strict=False).unexpected_keys
    return model


def loaded(folder: Path) -> Any:
    return Model.from_pretrained(folder, dtype=torch.float32).eval()


def assert_merged(stage: Stage, base: Path) -> None:
    expected = logits(trained(stage, base))
    assert (logits(loaded(stage.merged)) - expected).abs().max() < 1e-5
    before, after = loaded(base).state_dict(), loaded(stage.merged).state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all("language_model.layers" in name and "proj" in name for name in changed)
    assert list(weight_problems(stage.merged)) == []
    (problem,) = weight_problems(sharded(stage.checkpoint) / "huggingface")
    assert f"merge it first: unifer-train merge {stage.checkpoint} OUT" in problem


def test_sft_is_resumed_and_merged(cold_start: Stage, seeing_model: Path) -> None:
    steps = read_metrics(cold_start.run)
    assert list(steps) == [1, 2, 3, 4]
    assert all(step["train/grad_norm"] > 0 for step in steps.values())
    assert_merged(cold_start, seeing_model)


def test_grpo_starts_from_the_merged_model_and_is_merged(cold_start: Stage, grpo: Stage) -> None:
    steps = read_metrics(grpo.run)
    assert list(steps) == [1, 2]
    assert_learns(*steps.values())
    # The reference is the model without the adapter, from which the first step led away.
    assert steps[1]["actor/kl_loss"] == 0 < steps[2]["actor/kl_loss"]
    assert_merged(grpo, cold_start.merged)


def test_the_card_names_the_adapters(grpo: Stage) -> None:
    text = (grpo.merged / "README.md").read_text()
    assert "trained by SFT and GRPO" in text
    for line in (
        "## SFT, 4 steps",
        "## GRPO, 2 steps",
        "| LoRA rank | 8 |",
        "| LoRA alpha | 32 |",
        "| adapted modules | `all-linear` |",
        "| excluded modules | `.*visual.*` |",
    ):
        assert text.count(line) == (1 if line.startswith("#") else 2)
    record = find_record(grpo.merged)
    assert record is not None
    assert record.adapter == ADAPTER


def test_the_merged_model_is_evaluated(
    grpo: Stage, stand_in: Path, forked: Forked, tmp_path: Path
) -> None:
    out = tmp_path / "results"
    given = [str(grpo.merged), "--data", str(stand_in), "--out", str(out), "--limit", "8"]
    more = ["--backend", "transformers", "--set", "gen_kwargs.max_new_tokens=64"]
    run_command(forked.command("unifer-train", "evaluate", *given, *more))
    (path,) = out.rglob("*_results.json")
    results = json.loads(path.read_text())["results"]
    # Untrained, or of random weights, it would not write a readable answer.
    assert results["ferbench"]["unreadable,none"] < 0.2
