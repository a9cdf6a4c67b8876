"""Each algorithm is complete: what its name sets makes verl's own loss the one of its paper."""

from __future__ import annotations

import math
from statistics import fmean
from typing import Any

import pytest

from tests.conftest import REPOSITORY

pytest.importorskip("verl")

import torch
from omegaconf import OmegaConf
from tensordict import TensorDict
from verl.trainer.ppo.core_algos import compute_grpo_outcome_advantage
from verl.utils import tensordict_utils as tu
from verl.utils.config import omega_conf_to_dataclass
from verl.workers.utils.losses import ppo_loss

from recipes.training.configuration.compose import compose
from recipes.training.configuration.registry import named_files

CONFIG = REPOSITORY / "recipes" / "qwen2_5_vl" / "grpo_7b.yaml"
LENGTH = 1024  # data.max_response_length

NAMES = [file.name for file in named_files("algorithm")]

# Three responses: the ratio of each token, and the advantage of all of them.
RATIOS = [[1.5, 0.9], [0.5], [20.0]]
ADVANTAGES = [1.0, -1.0, -1.0]
OLD = -1.0


def gate(ratio: float, tau: float) -> float:
    """SAPO, equation of f: 4 / tau * sigmoid(tau (r - 1))."""
    return 4 / tau / (1 + math.exp(-tau * (ratio - 1)))


def divergence(ratio: float) -> float:
    """k3 of the reference, which here has the old probabilities: 1/r + log(r) - 1."""
    return 1 / ratio + math.log(ratio) - 1


def log_prob(ratio: float) -> float:
    return OLD + math.log(ratio)


# Worked by hand from the papers' figures; nothing of it is read from the configuration.
LOSSES = {
    # clip to [0.8, 1.2], dual clip 3, mean of sequences' means, 0.04 KL
    "grpo": fmean([(-1.2 - 0.9) / 2, 0.8, 3.0])
    + 0.04 * fmean([fmean(map(divergence, ratios)) for ratios in RATIOS]),
    # the same clip; the sum over a constant, no KL
    "dr_grpo": fmean([-1.2 - 0.9, 0.8, 3.0]) / LENGTH,
    # clip to [0.8, 1.28], dual clip 10, mean of all tokens
    "dapo": (-1.28 - 0.9 + 0.8 + 10.0) / 4,
    # the sequence's geometric mean, clipped to [0.9997, 1.0004]
    "gspo": fmean([-1.0004, 0.9997, 20.0]),
    # tau 1 for the better, 1.05 for the worse
    "sapo": fmean([(-gate(1.5, 1) - gate(0.9, 1)) / 2, gate(0.5, 1.05), gate(20.0, 1.05)]),
    # weights up to 1.2, and no lower bound, times log pi; mean of all tokens
    "cispo": (
        -1.2 * log_prob(1.5) - 0.9 * log_prob(0.9) + 0.5 * log_prob(0.5) + 1.2 * log_prob(20.0)
    )
    / 4,
}


@pytest.fixture(scope="module")
def composed() -> dict[str, dict[str, Any]]:
    """Algorithm -> the whole configuration of a run that names it."""
    return {name: compose(CONFIG, [f"algorithm={name}"]) for name in NAMES}


def nested(rows: list[list[float]]) -> torch.Tensor:
    return torch.nested.as_nested_tensor([torch.tensor(row) for row in rows], layout=torch.jagged)


def loss(config: dict[str, Any], ratios: list[list[float]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return verl's loss of an update, and the log-probabilities that it can be derived by."""
    values = torch.tensor(
        [value for row in ratios for value in [*map(log_prob, row), 0.0]], requires_grad=True
    )
    lengths = torch.tensor([0, *(len(row) + 1 for row in ratios)])
    old = nested([[OLD] * len(row) for row in ratios])
    data = TensorDict(
        {
            "prompts": nested([[0.0]] * len(ratios)),
            "responses": old,
            "response_mask": nested([[1.0] * len(row) for row in ratios]),
            "old_log_probs": old,
            "ref_log_prob": old,
            "advantages": nested(
                [[advantage] * len(row) for advantage, row in zip(ADVANTAGES, ratios, strict=True)]
            ),
        },
        batch_size=[len(ratios)],
    )
    tu.assign_non_tensor(
        data, dp_size=1, batch_num_tokens=sum(map(len, ratios)), global_batch_size=len(ratios)
    )
    actor = omega_conf_to_dataclass(OmegaConf.create(config["actor_rollout_ref"]["actor"]))
    output = torch.nested.nested_tensor_from_jagged(values, offsets=lengths.cumsum(0))
    found, _ = ppo_loss(actor, {"log_probs": output}, data)
    return found, values


def test_every_algorithm_has_a_loss_worked_by_hand() -> None:
    assert set(NAMES) == set(LOSSES)


@pytest.mark.parametrize("name", NAMES)
def test_the_settings_reach_the_loss(name: str, composed: dict[str, dict[str, Any]]) -> None:
    found, _ = loss(composed[name], RATIOS)
    assert found.item() == pytest.approx(LOSSES[name], rel=1e-5)


def test_at_a_ratio_of_one_three_of_them_are_grpo(composed: dict[str, dict[str, Any]]) -> None:
    """Why they make several updates of a batch, and the check refuses them at one."""
    gradients = {}
    for name in NAMES:
        found, values = loss(composed[name], [[1.0, 1.0], [1.0], [1.0]])
        found.backward()  # type: ignore[no-untyped-call]
        assert values.grad is not None
        gradients[name] = values.grad.tolist()
    for name in ("gspo", "sapo"):
        assert gradients[name] == pytest.approx(gradients["grpo"])
    # Its mean is over tokens, as DAPO's is.
    assert gradients["cispo"] == pytest.approx(gradients["dapo"])
    assert gradients["dapo"] != pytest.approx(gradients["grpo"])


@pytest.mark.parametrize(("name", "updates"), [(n, 1 if "grpo" in n else 4) for n in NAMES])
def test_the_updates_of_a_batch(
    name: str, updates: int, composed: dict[str, dict[str, Any]]
) -> None:
    batch = composed[name]["data"]["train_batch_size"]
    assert batch / composed[name]["actor_rollout_ref"]["actor"]["ppo_mini_batch_size"] == updates


@pytest.mark.parametrize("name", NAMES)
def test_the_advantage(name: str, composed: dict[str, dict[str, Any]]) -> None:
    import numpy as np

    algorithm = composed[name]["algorithm"]
    assert (algorithm["adv_estimator"], algorithm["use_kl_in_reward"]) == ("grpo", False)
    found, _ = compute_grpo_outcome_advantage(
        torch.tensor([[1.0], [0.0]]),
        torch.ones(2, 1),
        np.array(["a", "a"]),
        norm_adv_by_std_in_grpo=algorithm["norm_adv_by_std_in_grpo"],
    )
    # The deviation of 1 and 0 is the root of a half.
    expected = 0.5 if name == "dr_grpo" else 0.5 / math.sqrt(0.5)
    assert found.flatten().tolist() == pytest.approx([expected, -expected], rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_which_groups_are_left_out_and_what_length_costs(
    name: str, composed: dict[str, dict[str, Any]]
) -> None:
    samples = name in {"dapo", "cispo"}
    groups = composed[name]["algorithm"]["filter_groups"]
    reward = composed[name]["reward"]
    assert groups["enable"] is samples
    assert reward["reward_manager"]["name"] == ("dapo" if samples else "naive")
    if samples:
        assert groups["metric"] == "reward"
        assert reward["reward_kwargs"] == {
            "max_resp_len": LENGTH,
            # A fifth, as 4,096 of 20,480.
            "overlong_buffer_cfg": {
                "enable": True, "len": round(LENGTH / 5), "penalty_factor": 1.0, "log": False,
            },
        }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_the_file_says_where_its_settings_come_from(name: str) -> None:
    (file,) = (file for file in named_files("algorithm") if file.name == name)
    text = file.path.read_text()
    assert text.startswith("# @package _global_\n")
    assert "rXiv 2" in text
    assert file.summary.endswith(".")
    assert max(map(len, text.splitlines())) <= 100
