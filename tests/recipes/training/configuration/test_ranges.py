"""Numbers that no setting can mean are refused, each by its name and with what it may be."""

from __future__ import annotations

import copy

import pytest

pytest.importorskip("verl")

from recipes.training.configuration.compose import compose
from recipes.training.configuration.keys import Config, value_at
from recipes.training.configuration.ranges import range_problems
from recipes.training.configuration.registry import find_configuration
from recipes.training.configuration.settings import STAGES, Stage

ACTOR, ROLLOUT = "actor_rollout_ref.actor", "actor_rollout_ref.rollout"
COUNT, SHARE = "a whole number of 1 or more", "a number above 0 and up to 1"


@pytest.fixture(scope="module")
def composed() -> dict[Stage, Config]:
    return {stage: compose(find_configuration(stage, "7b"), []) for stage in STAGES}


@pytest.mark.parametrize("stage", STAGES)
def test_the_recipes_numbers_are_sound(stage: Stage, composed: dict[Stage, Config]) -> None:
    assert [*range_problems(stage, composed[stage])] == []


@pytest.mark.parametrize(
    ("stage", "key", "value", "allowed"),
    [
        ("sft", "trainer.n_gpus_per_node", 0, COUNT),
        ("sft", "data.max_length", 2.5, COUNT),
        ("sft", "data.train_batch_size", True, COUNT),
        ("grpo", "trainer.nnodes", -1, COUNT),
        ("grpo", f"{ROLLOUT}.n", 0, COUNT),
        ("grpo", f"{ACTOR}.fsdp_config.ulysses_sequence_parallel_size", 0, COUNT),
        ("grpo", "trainer.total_training_steps", 0, f"{COUNT}, or null for whole epochs"),
        ("sft", "trainer.total_training_steps", -1, f"{COUNT}, or null for whole epochs"),
        ("sft", "optim.lr", 0.0, "a number above 0"),
        ("grpo", f"{ACTOR}.optim.lr", -1e-6, "a number above 0"),
        ("grpo", f"{ACTOR}.kl_loss_coef", -0.1, "a number of 0 or more"),
        ("grpo", f"{ACTOR}.clip_ratio_low", -0.2, "a number of 0 or more"),
        ("grpo", f"{ROLLOUT}.temperature", -1.0, "a number of 0 or more"),
        ("grpo", f"{ROLLOUT}.top_p", 0.0, SHARE),
        ("grpo", f"{ROLLOUT}.gpu_memory_utilization", 0.0, SHARE),
        ("grpo", f"{ROLLOUT}.gpu_memory_utilization", 60, SHARE),
        ("grpo", f"{ROLLOUT}.gpu_memory_utilization", "most", SHARE),
        ("grpo", "actor_rollout_ref.model.lora_rank", -1, "a number of 0 or more"),
    ],
)
def test_a_number_that_cannot_be_meant(
    stage: Stage, key: str, value: object, allowed: str, composed: dict[Stage, Config]
) -> None:
    config = copy.deepcopy(dict(composed[stage]))
    group, _, name = key.rpartition(".")
    value_at(config, group)[name] = value
    assert [*range_problems(stage, config)] == [f"{key}={value}: give {allowed}"]
