"""Two steps of every algorithm, in one start of verl: the settings of a name reach its loss.

The vision tower is frozen meanwhile.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.recipes import hashed_reward
from tests.recipes.trainer import Trainers, assert_learns, assert_moved_but_vision, data

pytest.importorskip("verl")

from data_prep.cli.main import main as unifer_data
from recipes.tiny_cpu.environment import ENVIRONMENT
from recipes.training.configuration.registry import named_files
from recipes.training.runs.rollouts import read_steps

pytestmark = pytest.mark.training

Steps = list[dict[str, float]]
NAMES = [file.name for file in named_files("algorithm")]
FILTERED = "training/filter_groups/evicted_samples"


@pytest.fixture(scope="module")
def out(trainers: Trainers, seeing_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where all algorithms have trained."""
    out = tmp_path_factory.mktemp("session")
    assert unifer_data(["drawn", "--out", str(out / "rows"), "--train", "16", "--valid", "4"]) == 0
    optimizer = "actor_rollout_ref.actor.optim"
    reward = "reward.custom_reward_function"
    command = [
        "-m", "tests.recipes.session", out, *data(out / "rows" / "rlvr"),
        f"actor_rollout_ref.model.path={seeing_model}", f"trainer.default_local_dir={out}",
        "trainer.total_training_steps=2", "trainer.total_epochs=9", "trainer.save_freq=2",
        "trainer.test_freq=-1", "trainer.val_before_train=false", "trainer.logger=[file]",
        # Four updates of 16 prompts are 16 responses each.
        "actor_rollout_ref.rollout.n=4", "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu=16",
        # The checkpoints of all are in one place, which the last one overwrites.
        "method=frozen_vision", "trainer.max_actor_ckpt_to_keep=null",
        # What a trained model earns may be the same for all answers of all groups: no gradient.
        f"{reward}.path={hashed_reward.__file__}", "actor_rollout_ref.rollout.temperature=1.5",
        # One optimizer for all, and no step of it at a rate of 0.
        f"{optimizer}.lr_warmup_steps=0", f"{optimizer}.lr_scheduler_type=constant",
    ]  # fmt: skip
    trainers.run(*command, env={**ENVIRONMENT, "OMP_NUM_THREADS": str(os.cpu_count())})
    return out


@pytest.fixture(scope="module")
def trained(out: Path) -> Mapping[str, Steps]:
    """Algorithm -> the metrics of its steps."""
    return {
        name: [json.loads(line)["data"] for line in (out / f"{name}.jsonl").open()]
        for name in NAMES
    }


@pytest.mark.parametrize("name", NAMES)
def test_two_steps(name: str, trained: Mapping[str, Steps]) -> None:
    steps = trained[name]
    assert len(steps) == 2
    assert_learns(*steps)
    for step in steps:
        assert ("actor/kl_loss" in step) == (name == "grpo")
    # The second update of a batch is at other weights than its rollouts. The mean of either sign
    # may be near 0 in one step, and in both it is 1e-9 where there is no second update.
    furthest = max(abs(step["actor/ppo_kl"]) for step in steps)
    assert (furthest > 1e-7) == (name not in {"grpo", "dr_grpo"}), furthest
    # The groups that have no variance are left out by two alone.
    assert any(FILTERED in step for step in steps) == (name in {"dapo", "cispo"})


def test_the_vision_tower_is_frozen(seeing_model: Path, out: Path) -> None:
    assert_moved_but_vision(seeing_model, out / "global_step_2" / "actor" / "huggingface")


def test_dynamic_sampling_leaves_no_group_without_variance(
    out: Path, trained: Mapping[str, Steps]
) -> None:
    assert any(kept.zero_variance > 0 for kept in read_steps(out / "grpo").values())
    steps = read_steps(out / "dapo")
    assert list(steps) == [1, 2]
    for (step, kept), metrics in zip(steps.items(), trained["dapo"], strict=True):
        assert kept.rollouts == 16 * 4, step
        assert kept.zero_variance == 0, step
        # A mean of float32, which may be all but 0.
        assert kept.reward == pytest.approx(metrics["critic/rewards/mean"], abs=1e-6), step


def test_what_the_losses_clip(trained: Mapping[str, Steps]) -> None:
    clipped = {
        name: max(step["actor/pg_clipfrac"] for step in steps) for name, steps in trained.items()
    }
    # On-policy there is nothing to clip, and SAPO has no clip.
    assert clipped["grpo"] == clipped["dr_grpo"] == clipped["sapo"] == 0
    # The range of a sequence's ratio is three orders of magnitude narrower.
    assert clipped["gspo"] > clipped["dapo"]


def test_dr_grpo_divides_by_no_deviation(trained: Mapping[str, Steps]) -> None:
    """Four rewards at most 1.1 apart, DAPO's for length among it, are within 1 of their mean."""
    largest = {
        name: max(abs(step[f"critic/advantages/{end}"]) for step in steps for end in ("min", "max"))
        for name, steps in trained.items()
    }
    assert largest["dr_grpo"] < 1 < largest["grpo"]
