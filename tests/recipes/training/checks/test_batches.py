"""Batches that verl would refuse, pad or forget are named before it starts."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.conftest import REPOSITORY

pytest.importorskip("verl")

from recipes.training.checks.batches import batch_problems, parallel_problems
from recipes.training.checks.shapes import KNOWN
from recipes.training.configuration.compose import compose
from recipes.training.configuration.parse import parse_settings
from recipes.training.configuration.settings import Settings

Changes = dict[str, Any]
RECIPES = REPOSITORY / "recipes"


@pytest.fixture(scope="module")
def composed() -> dict[str, dict[str, Any]]:
    configs = ["tiny_cpu/sft_tiny", "tiny_cpu/grpo_tiny", "qwen2_5_vl/sft_7b", "qwen2_5_vl/grpo_7b"]
    return {name: compose(RECIPES / f"{name}.yaml", []) for name in configs}


def changed(config: dict[str, Any], changes: Changes) -> Settings:
    config = copy.deepcopy(config)
    for path, value in changes.items():
        *parts, last = path.split(".")
        place = config
        for part in parts:
            place = place[part]
        place[last] = value
    return parse_settings(config, RECIPES)


ACTOR, ROLLOUT, REF = (f"actor_rollout_ref.{part}" for part in ("actor", "rollout", "ref"))
FILTERED = {"enable": True, "metric": "reward"}
TINY, LARGE = "tiny_cpu/grpo_tiny", "qwen2_5_vl/grpo_7b"


@pytest.mark.parametrize(
    ("name", "changes", "reasons"),
    [
        (TINY, {}, []),
        (LARGE, {}, []),
        (LARGE, {"trainer.nnodes": 4}, []),
        # 16 prompts x 8 rollouts.
        (TINY, {"trainer.n_gpus_per_node": 5}, [
            f"data.train_batch_size=16 and {ACTOR}.ppo_mini_batch_size=16 x 8 rollouts do not "
            "share out over 5 GPUs; give multiples of 5",
        ]),
        # 8 of the 24 are the rollouts.
        (LARGE, {"trainer.nnodes": 3, f"{ACTOR}.ppo_mini_batch_size": 16}, [
            "=16 x 8 rollouts do not share out over 24 GPUs; give multiples of 3",
        ]),
        (LARGE, {f"{ACTOR}.ppo_mini_batch_size": 2, "trainer.n_gpus_per_node": 32}, [
            "actor_rollout_ref.actor.ppo_mini_batch_size=2 x 8 rollouts does not share out over 32 "
            "GPUs; give a multiple of 4",
        ]),
        (TINY, {"trainer.n_gpus_per_node": 2, f"{ACTOR}.ppo_micro_batch_size_per_gpu": 48}, [
            "the 64 sequences of a GPU do not share out over "
            "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu=48; give a divisor of 64",
        ]),
        (TINY, {f"{ROLLOUT}.log_prob_micro_batch_size_per_gpu": 60}, [
            "rollout.log_prob_micro_batch_size_per_gpu=60; give a divisor of 128",
        ]),
        (TINY, {f"{REF}.log_prob_micro_batch_size_per_gpu": 60}, [
            "ref.log_prob_micro_batch_size_per_gpu=60; give a divisor of 128",
        ]),
        (TINY, {"data.train_batch_size": 2, f"{ACTOR}.ppo_mini_batch_size": 2}, [
            "the 16 sequences of a GPU do not share out over "
            f"{ACTOR}.ppo_micro_batch_size_per_gpu=32, "
            f"{ROLLOUT}.log_prob_micro_batch_size_per_gpu=64 and "
            f"{REF}.log_prob_micro_batch_size_per_gpu=64; give a divisor of 16",
        ]),
        (TINY, {
            f"{ROLLOUT}.log_prob_micro_batch_size_per_gpu": None,
            f"{REF}.log_prob_micro_batch_size_per_gpu": None,
        }, [
            f"{ROLLOUT}.log_prob_micro_batch_size_per_gpu and "
            f"{REF}.log_prob_micro_batch_size_per_gpu are not given",
        ]),
        (LARGE, {"data.max_response_length": 16000, f"{ROLLOUT}.max_model_len": 17024}, [
            f"{ACTOR}.ppo_max_token_len_per_gpu=16384, "
            f"{ROLLOUT}.log_prob_max_token_len_per_gpu=16384 and "
            f"{REF}.log_prob_max_token_len_per_gpu=16384 are less than data.max_prompt_length + "
            "data.max_response_length=17024; raise them to 17024 or more",
        ]),
        # Without a KL loss there is no reference model.
        (TINY, {f"{REF}.log_prob_micro_batch_size_per_gpu": 60, f"{ACTOR}.use_kl_loss": False}, []),
        (TINY, {f"{ACTOR}.ppo_micro_batch_size_per_gpu": None}, [
            "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu is not given",
        ]),
        (TINY, {f"{ACTOR}.use_dynamic_bsz": True}, [
            "actor.use_dynamic_bsz=True and "
            "actor_rollout_ref.rollout.log_prob_use_dynamic_bsz=False must be equal",
        ]),
        (LARGE, {f"{ACTOR}.ppo_max_token_len_per_gpu": 2000}, [
            "actor.ppo_max_token_len_per_gpu=2000 is less than data.max_prompt_length + "
            "data.max_response_length=2048",
        ]),
        (LARGE, {f"{ROLLOUT}.log_prob_max_token_len_per_gpu": 1024}, [
            "rollout.log_prob_max_token_len_per_gpu=1024 is less than",
        ]),
        (TINY, {f"{ACTOR}.ppo_mini_batch_size": 12}, [
            "data.train_batch_size=16 is not a multiple of "
            "actor_rollout_ref.actor.ppo_mini_batch_size=12",
        ]),
        (LARGE, {f"{ACTOR}.ppo_mini_batch_size": 64}, ["=32 is not a multiple of"]),
        (LARGE, {"data.max_response_length": 1500}, [
            "data.max_prompt_length=1024 + data.max_response_length=1500 exceeds "
            "actor_rollout_ref.rollout.max_model_len=2048; raise it to 2524",
        ]),
        (TINY, {"data.train_batch_size": 128}, [
            "data.train_files holds 100 rows, less than one batch of 128; "
            "lower data.train_batch_size to 100 or fewer",
        ]),
        (TINY, {"trainer.total_training_steps": 7}, [
            "trainer.total_training_steps=7 is never reached: 100 rows are 6 steps",
        ]),
        (TINY, {"trainer.total_training_steps": 6}, []),
        (TINY, {"trainer.save_freq": -1}, []),
        (TINY, {"trainer.save_freq": "after_each_epoch"}, [
            "trainer.save_freq=after_each_epoch: give a number of steps, or -1 for never",
        ]),
        (LARGE, {f"{ROLLOUT}.max_num_seqs": 9000}, [
            f"{ROLLOUT}.max_num_batched_tokens=8192 is less than {ROLLOUT}.max_num_seqs=9000",
        ]),
        (TINY, {"data.gen_batch_size": 8}, []),
        (TINY, {"data.gen_batch_size": 12}, [
            "data.gen_batch_size=12 does not divide data.train_batch_size=16; leave it out",
        ]),
        (TINY, {"data.gen_batch_size": 8, "algorithm.filter_groups": FILTERED}, [
            "data.gen_batch_size=8 is 1 where groups are filtered; leave it out",
        ]),
    ],
)  # fmt: skip
def test_grpo(
    composed: dict[str, dict[str, Any]], name: str, changes: Changes, reasons: list[str]
) -> None:
    found = list(batch_problems(changed(composed[name], changes), 100, 1))
    assert len(found) == len(reasons), found
    for reason, told in zip(reasons, found, strict=True):
        assert reason in told


TINY_SFT, LARGE_SFT = "tiny_cpu/sft_tiny", "qwen2_5_vl/sft_7b"


@pytest.mark.parametrize(
    ("name", "changes", "reasons"),
    [
        (TINY_SFT, {}, []),
        (LARGE_SFT, {}, []),
        (LARGE_SFT, {"trainer.n_gpus_per_node": 3}, [
            "data.train_batch_size=16 does not share out over 3 GPUs; give a multiple of 3",
        ]),
        (TINY_SFT, {"trainer.n_gpus_per_node": 2}, [
            "the 16 sequences of a GPU do not share out over data.micro_batch_size_per_gpu=32",
        ]),
        (LARGE_SFT, {"data.max_token_len_per_gpu": 1024}, [
            "data.max_token_len_per_gpu=1024 is less than data.max_length=2048",
        ]),
        (TINY_SFT, {"data.train_batch_size": 64}, ["data.val_files holds 40 rows"]),
        (TINY_SFT, {"data.train_batch_size": 128}, [
            "data.train_files holds 100 rows", "data.val_files holds 40 rows",
        ]),
        (TINY_SFT, {"trainer.total_training_steps": 9}, ["100 rows are 6 steps"]),
    ],
)  # fmt: skip
def test_sft(
    composed: dict[str, dict[str, Any]], name: str, changes: Changes, reasons: list[str]
) -> None:
    found = list(batch_problems(changed(composed[name], changes), 100, 40))
    assert len(found) == len(reasons), found
    for reason, told in zip(reasons, found, strict=True):
        assert reason in told


@pytest.mark.parametrize(("wanted", "epochs", "steps"), [(None, 2, 12), (5, 2, 5)])
def test_how_many_steps_a_run_takes(
    composed: dict[str, dict[str, Any]], wanted: int | None, epochs: int, steps: int
) -> None:
    changes = {"trainer.total_training_steps": wanted, "trainer.total_epochs": epochs}
    assert changed(composed[TINY], changes).total_steps(100) == steps


def test_rows_that_are_not_known_are_not_counted(composed: dict[str, dict[str, Any]]) -> None:
    changes = {"data.train_batch_size": 64}
    assert [*batch_problems(changed(composed[TINY_SFT], changes), 100)] == []


ULYSSES = "ulysses_sequence_parallel_size"


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        (LARGE, {}, None),
        (LARGE, {f"{ROLLOUT}.tensor_model_parallel_size": 4, "trainer.nnodes": 2}, None),
        (LARGE, {f"{ROLLOUT}.tensor_model_parallel_size": 4}, None),
        (LARGE, {f"{ROLLOUT}.tensor_model_parallel_size": 8},
         "tensor_model_parallel_size=8 does not divide the 28 heads of the language model, the 16 "
         "of the vision tower and the width of their layers; give 1, 2 or 4"),
        # One fault, one sentence: 3 divides neither the heads nor the GPUs.
        (LARGE, {f"{ROLLOUT}.tensor_model_parallel_size": 3},
         "tensor_model_parallel_size=3 does not divide the 28 heads of the language model, the 16 "
         "of the vision tower and the width of their layers; give 1, 2 or 4"),
        (LARGE, {f"{ROLLOUT}.tensor_model_parallel_size": 4, "trainer.n_gpus_per_node": 6},
         "tensor_model_parallel_size=4 makes rollout engines of 4 GPUs, over which 6 do not share "
         "out; give 1 or 2"),
        (LARGE, {f"{ROLLOUT}.tensor_model_parallel_size": 4, "trainer.n_gpus_per_node": 6,
                 "trainer.nnodes": 2},
         "makes rollout engines of 4 GPUs, which would lie across the nodes' 6 GPUs; give 1 or 2"),
        (LARGE, {f"{ROLLOUT}.data_parallel_size": 16},
         "tensor_model_parallel_size=1 makes rollout engines of 16 GPUs, over which 8 do not share "
         "out; give data_parallel_size=1"),
        # 7 divides the heads of the language model alone.
        (LARGE, {f"{ROLLOUT}.tensor_model_parallel_size": 7, "trainer.n_gpus_per_node": 7},
         "and the width of their layers; give 1"),
        (LARGE, {f"{ACTOR}.fsdp_config.{ULYSSES}": 2}, None),
        (LARGE, {f"{ACTOR}.{ULYSSES}": 4}, None),
        (LARGE, {f"{ACTOR}.{ULYSSES}": 3}, f"actor.{ULYSSES}=3 does not divide the run's GPUs (8)"),
        (LARGE, {f"{ACTOR}.fsdp_config.{ULYSSES}": 8},
         f"actor.fsdp_config.{ULYSSES}=8 does not divide the model's 28 attention heads"),
        (LARGE, {f"{ACTOR}.{ULYSSES}": 2, "actor_rollout_ref.model.use_remove_padding": False},
         f"{ULYSSES}=2 needs actor_rollout_ref.model.use_remove_padding=true"),
        (LARGE_SFT, {}, None),
        (LARGE_SFT, {f"engine.{ULYSSES}": 16},
         f"engine.{ULYSSES}=16 does not divide the run's GPUs (1)"),
    ],
)  # fmt: skip
def test_gpus_that_share_an_engine_or_a_sequence(
    composed: dict[str, dict[str, Any]], name: str, changes: Changes, reason: str | None
) -> None:
    shape = KNOWN["Qwen/Qwen2.5-VL-7B-Instruct"]
    found = [*parallel_problems(changed(composed[name], changes), shape)]
    assert len(found) == (reason is not None)
    assert (reason or "") in " ".join(found)


@pytest.mark.parametrize(
    ("size", "nodes", "reason"),
    [
        (16, 2, None),
        (16, 1, "makes rollout engines of 16 GPUs, over which 8 do not share out; give 1, 2, 4 or"),
        (3, 1, "makes rollout engines of 3 GPUs, over which 8 do not share out; give 1, 2, 4 or 8"),
    ],
)
def test_gpus_of_an_engine_whose_model_is_not_known(
    composed: dict[str, dict[str, Any]], size: int, nodes: int, reason: str | None
) -> None:
    changes = {f"{ROLLOUT}.tensor_model_parallel_size": size, "trainer.nnodes": nodes}
    found = [*parallel_problems(changed(composed[LARGE], changes), None)]
    assert len(found) == (reason is not None)
    assert (reason or "") in " ".join(found)
