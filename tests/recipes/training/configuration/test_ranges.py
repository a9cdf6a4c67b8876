"""Values that no setting can mean are refused, each by its name and with what it may be."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest

pytest.importorskip("verl")

from recipes.training.configuration.compose import compose
from recipes.training.configuration.keys import Config, value_at
from recipes.training.configuration.ranges import NAMES, NAMES_OF_BOTH, range_problems
from recipes.training.configuration.registry import find_configuration
from recipes.training.configuration.settings import STAGES, Stage

ACTOR, ROLLOUT = "actor_rollout_ref.actor", "actor_rollout_ref.rollout"
COUNT, SHARE = "a whole number of 1 or more", "a number above 0 and up to 1"
SHARE_OR_NONE = "a number of 0 or more and up to 1"


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
        ("sft", "optim.lr", -0.1, SHARE_OR_NONE),
        ("grpo", f"{ACTOR}.optim.lr", -1e-6, SHARE_OR_NONE),
        # The sign of the exponent was lost.
        ("grpo", f"{ACTOR}.optim.lr", 1e6, SHARE_OR_NONE),
        ("sft", "optim.lr_warmup_steps_ratio", 5, SHARE_OR_NONE),
        ("grpo", f"{ACTOR}.optim.weight_decay", -0.1, "a number of 0 or more"),
        ("sft", "optim.clip_grad", 0, "a number above 0"),
        ("grpo", f"{ROLLOUT}.max_num_seqs", 0, COUNT),
        ("grpo", "data.gen_batch_size", "all", f"{COUNT}, or null"),
        ("grpo", f"{ACTOR}.ppo_micro_batch_size_per_gpu", 0, f"{COUNT}, or null"),
        ("sft", "data.micro_batch_size_per_gpu", "4", f"{COUNT}, or null"),
        ("grpo", f"{ACTOR}.kl_loss_coef", -0.1, "a number of 0 or more"),
        ("grpo", f"{ACTOR}.clip_ratio_low", -0.2, "a number of 0 or more"),
        ("grpo", f"{ROLLOUT}.temperature", -1.0, "a number of 0 or more"),
        *(
            ("sft", f"trainer.{key}", value, "a number of steps, after_each_epoch, or -1 for never")
            for key in ("save_freq", "test_freq")
            for value in (0, 2.5, "each_epoch", None)
        ),
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


@pytest.mark.parametrize(
    ("stage", "key", "value", "wrong"),
    [
        ("sft", "optim.lr_scheduler_type", "linear", "linear: give one of constant, cosine"),
        ("grpo", f"{ACTOR}.optim.lr_scheduler_type", "Cosine", "Cosine: give one of constant"),
        ("sft", "data.truncation", "none", "none: give one of error, left, right"),
        ("sft", "engine.strategy", "ddp", "ddp: give one of fsdp, fsdp2"),
        ("grpo", f"{ACTOR}.fsdp_config.model_dtype", "bf17", "bf17: give one of fp32"),
        ("grpo", f"{ROLLOUT}.dtype", "fp16", "fp16: give one of bfloat16"),
        ("grpo", f"{ROLLOUT}.name", "vlm", "vlm: give one of vllm"),
        ("grpo", f"{ACTOR}.checkpoint.save_contents", ["model", "hf"], "hf: give one of model"),
        ("grpo", f"{ACTOR}.loss_agg_mode", "mean", "mean: give one of token-mean"),
        ("grpo", f"{ACTOR}.kl_loss_type", "k9", "k9: give one of low_var_kl"),
        ("grpo", "algorithm.kl_penalty", "k3-", "k3-: give one of low_var_kl"),
        ("sft", "trainer.device", "gpu", "gpu: give one of cuda, cpu, npu"),
        ("grpo", "algorithm.adv_estimator", "grop", "grop: give one of grpo, gae"),
        ("sft", "trainer.logger", "wandbb", "wandbb: give one of console, file"),
        ("grpo", "trainer.logger", ["console", "wandbb"], "wandbb: give one of console, file"),
        ("sft", "trainer.resume_mode", "always", "always: give one of auto, disable, resume_path"),
    ],
)  # fmt: skip
def test_a_value_that_is_none_of_a_few(
    stage: Stage, key: str, value: object, wrong: str, composed: dict[Stage, Config]
) -> None:
    config = copy.deepcopy(dict(composed[stage]))
    group, _, name = key.rpartition(".")
    value_at(config, group)[name] = value
    (problem,) = range_problems(stage, config)
    assert problem.startswith(f"{key}={wrong}")


def test_one_rollout_of_a_prompt_has_no_pass_at_k(composed: dict[Stage, Config]) -> None:
    config = copy.deepcopy(dict(composed["grpo"]))
    value_at(config, ROLLOUT)["n"] = 1
    config["algorithm"]["adv_estimator"] = "grpo_passk"
    (problem,) = range_problems("grpo", config)
    assert problem == f"{ROLLOUT}.n=1: grpo_passk compares the rollouts of a prompt; give 2 or more"


@pytest.mark.parametrize(
    ("stage", "values"),
    [
        ("sft", {"optim.optimizer": "SGD", "optim.lr": 2.0}),
        # To measure, or to see that nothing moves.
        ("sft", {"optim.lr": 0}),
        ("sft", {"optim.optimizer": "SGD", "optim.lr": 0.0}),
        ("grpo", {f"{ACTOR}.optim.lr": 0.0, f"{ROLLOUT}.n": 1}),
        ("sft", {"engine.model_dtype": 16, "checkpoint.save_contents": None}),
        ("sft", {"trainer.logger": ["console", "tracking"], "engine.strategy": "fsdp_turbo"}),
        ("grpo", {f"{ACTOR}.kl_loss_type": "k3+", "algorithm.kl_penalty": "low_var_kl+"}),
        ("grpo", {f"{ACTOR}.fsdp_config.model_dtype": None}),
        # Read by a dataset class of the user's alone, and by verl's other engines.
        ("grpo", {"data.truncation": "shortest", f"{ACTOR}.fsdp_config.dtype": "int8"}),
    ],
)
def test_a_value_that_verl_takes(
    stage: Stage, values: dict[str, object], composed: dict[Stage, Config]
) -> None:
    config = copy.deepcopy(dict(composed[stage]))
    for key, value in values.items():
        group, _, name = key.rpartition(".")
        value_at(config, group)[name] = value
    assert [*range_problems(stage, config)] == []


def test_a_name_that_a_plug_in_of_verl_adds(
    composed: dict[Stage, Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    from verl.plugin.platform import PlatformRegistry
    from verl.trainer.ppo.core_algos import ADV_ESTIMATOR_REGISTRY
    from verl.utils.tracking import Tracking
    from verl.workers.rollout.replica import RolloutReplicaRegistry

    def mine() -> SimpleNamespace:
        return SimpleNamespace(device_name="mine")

    monkeypatch.setitem(ADV_ESTIMATOR_REGISTRY, "mine", None)
    monkeypatch.setattr(Tracking, "supported_backend", ["mine"])
    monkeypatch.setitem(RolloutReplicaRegistry._registry, "mine", None)
    monkeypatch.setitem(PlatformRegistry._platforms, "mine", mine)
    config = copy.deepcopy(dict(composed["grpo"]))
    for key in ("algorithm.adv_estimator", "trainer.logger", f"{ROLLOUT}.name", "trainer.device"):
        group, _, name = key.rpartition(".")
        value_at(config, group)[name] = "mine"
    assert [*range_problems("grpo", config)] == []


def test_verl_has_these_estimators_and_loggers() -> None:
    from verl.trainer.ppo.core_algos import AdvantageEstimator
    from verl.utils.tracking import Tracking

    assert {*NAMES["grpo"]["algorithm.adv_estimator"]} == {
        each.value for each in AdvantageEstimator
    }
    # Tracking.__init__ takes the former name of wandb besides.
    assert {*NAMES_OF_BOTH["trainer.logger"]} == {*Tracking.supported_backend, "tracking"}
