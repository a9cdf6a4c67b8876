from __future__ import annotations

import pytest

from unifer_rewards.presets import RewardError
from unifer_rewards.trl import trl_reward
from unifer_tasks.protocol.prompts import response as in_form


def test_lists_in_list_out() -> None:
    reward = trl_reward(preset="upstream")
    completions = [
        in_form("x", "fear"),
        [{"role": "assistant", "content": in_form("x", "anger")}],
        "fear",
    ]
    rewards = reward(
        prompts=["?"] * 3,
        completions=completions,
        data_source=["rafdb"] * 3,
        solution=["fear", "fear", "<answer>fear</answer>"],
        image_path=["a.png"] * 3,
    )
    assert rewards == [2.0, 1.0, 1.0]


def test_extra_info_is_a_column() -> None:
    extra = {"candidate_labels": ["fear", "anger"]}
    reward = trl_reward()
    assert reward([in_form("x", "fear")], ["mixed"], ["fear"], [extra]) == [1.0]


def test_wrong_options_are_named_at_once() -> None:
    with pytest.raises(RewardError, match="unknown terms speed"):
        trl_reward(weights={"speed": 1})
