"""The configurations compose verl's own, and hold the paper's figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY

pytest.importorskip("verl")

from recipes.training.configuration.compose import compose

RECIPES = REPOSITORY / "recipes"
SFT = sorted(RECIPES.glob("*/sft_*.yaml"))
GRPO = sorted(RECIPES.glob("*/grpo_*.yaml"))


def name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@pytest.mark.parametrize("config", SFT, ids=name)
def test_every_sft_configuration_composes(config: Path) -> None:
    composed = compose(config, [])
    assert composed["data"]["pad_mode"] == "no_padding"
    assert composed["data"]["truncation"] == "error"
    assert composed["optim"]["lr_scheduler_type"] == "cosine"
    assert "hf_model" in composed["checkpoint"]["save_contents"]


@pytest.mark.parametrize("config", GRPO, ids=name)
def test_every_grpo_configuration_composes(config: Path) -> None:
    composed = compose(config, [])
    reward = composed["reward"]["custom_reward_function"]
    assert (reward["path"], reward["name"]) == ("pkg://unifer_rewards.fer", "compute_score")
    assert composed["algorithm"]["adv_estimator"] == "grpo"
    assert composed["trainer"]["logger"][0] == "console"
    assert "wandb" not in composed["trainer"]["logger"]


def test_the_7b_recipe_has_the_papers_figures() -> None:
    composed = compose(RECIPES / "qwen2_5_vl" / "grpo_7b.yaml", [])
    model = composed["actor_rollout_ref"]
    actor = model["actor"]
    found: dict[str, Any] = {
        "lr": actor["optim"]["lr"],
        "schedule": actor["optim"]["lr_scheduler_type"],
        "weight_decay": actor["optim"]["weight_decay"],
        "kl": (actor["use_kl_loss"], actor["kl_loss_coef"], actor["kl_loss_type"]),
        "loss": actor["loss_agg_mode"],
        "grad_clip": actor["optim"]["clip_grad"],
        "rollouts": model["rollout"]["n"],
        "temperature": model["rollout"]["temperature"],
        "new_tokens": composed["data"]["max_response_length"],
        "epochs": composed["trainer"]["total_epochs"],
    }
    assert found == {
        "lr": 1e-6,
        "schedule": "cosine",
        "weight_decay": 0.01,
        "kl": (True, 0.04, "low_var_kl"),
        "loss": "seq-mean-token-mean",
        "grad_clip": 5.0,
        "rollouts": 8,
        "temperature": 1.0,
        "new_tokens": 1024,
        "epochs": 1,
    }


@pytest.mark.parametrize(
    "override",
    [
        # The options that the README shows.
        "algorithm.filter_groups.enable=true",
        "actor_rollout_ref.actor.clip_ratio_high=0.28",
        "actor_rollout_ref.actor.use_kl_loss=false",
        "algorithm.norm_adv_by_std_in_grpo=false",
        "actor_rollout_ref.actor.loss_agg_mode=seq-mean-token-sum-norm",
        "actor_rollout_ref.model.lora_rank=32",
        "reward.custom_reward_function.reward_kwargs.preset=grounded",
        "+reward.custom_reward_function.reward_kwargs.vote_credit=0.5",
    ],
)
def test_options_are_one_override(override: str) -> None:
    config = RECIPES / "qwen2_5_vl" / "grpo_7b.yaml"
    assert compose(config, [override]) != compose(config, [])
