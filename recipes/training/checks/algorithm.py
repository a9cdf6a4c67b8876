"""Whether the settings of an algorithm come to an end, and what they do not do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from recipes.training.configuration.settings import (
    GrpoSettings,
    LossSettings,
    RewardSettings,
    Settings,
)
from unifer_rewards.fer import compute_score
from unifer_rewards.presets import RewardError

# Their gradient is GRPO's where the ratio is 1: trainer/ppo/core_algos.py.
_RATIO_LOSSES = frozenset({"gspo", "sapo", "cispo"})
_PPO, _CLIP = "vanilla", (0.2, 0.2)
_GROUPED = frozenset({"grpo", "grpo_vectorized", "gdpo", "rloo", "rloo_vectorized", "opo",
                      "reinforce_plus_plus_baseline", "gpg"})  # fmt: skip
"""Estimators that compare the rollouts of one prompt: trainer/ppo/core_algos.py."""
_REWARD = "reward"


def algorithm_problems(settings: Settings) -> Iterator[str]:
    """Yield the settings of GRPO that keep verl from training."""
    grpo = settings.method
    if not isinstance(grpo, GrpoSettings):
        return
    yield from _loss_problems(grpo.loss)
    if grpo.group_filter is not None:
        yield from _filter_problems(grpo, grpo.group_filter)
    yield from _reward_problems(grpo.reward)


def algorithm_notes(settings: Settings) -> Iterator[str]:
    """Yield what settings of GRPO do not do, which may be meant."""
    grpo = settings.method
    if not isinstance(grpo, GrpoSettings):
        return
    yield from _loss_notes(grpo.loss)
    if grpo.rollout.n == 1 and grpo.estimator in _GROUPED:
        yield (
            f"actor_rollout_ref.rollout.n=1: {grpo.estimator} has no other rollout of a prompt to "
            "compare a reward with"
        )
    longest, penalised = grpo.rollout.response_length, grpo.reward.max_length
    if grpo.reward.penalised_length is not None and penalised not in (None, longest):
        yield (
            f"reward.reward_kwargs.max_resp_len={penalised}: the penalty of length ends there, and "
            f"not at data.max_response_length={longest}"
        )


def _loss_problems(loss: LossSettings) -> Iterator[str]:
    if loss.mode not in {_PPO, *_RATIO_LOSSES}:  # Those of the recipe need no look at verl's.
        from verl.trainer.ppo.core_algos import POLICY_LOSS_REGISTRY

        if loss.mode not in POLICY_LOSS_REGISTRY:
            yield (
                f"actor_rollout_ref.actor.policy_loss.loss_mode={loss.mode}: give one of "
                f"{', '.join(sorted(POLICY_LOSS_REGISTRY))}"
            )


def _loss_notes(loss: LossSettings) -> Iterator[str]:
    if loss.updates > 1 or not loss.starts_at_ratio_one:
        return
    inert = (
        f"policy_loss.loss_mode={loss.mode} changes"
        if loss.mode in _RATIO_LOSSES
        else "clip_ratio_low={} and clip_ratio_high={} change".format(*loss.clip)
        if loss.mode == _PPO and loss.clip != _CLIP
        else None
    )
    if inert is not None:
        yield (
            f"actor_rollout_ref.actor.{inert} nothing where a batch is one update; it does with an "
            "actor_rollout_ref.actor.ppo_mini_batch_size below data.train_batch_size, such as a "
            "quarter of it"
        )


def _filter_problems(grpo: GrpoSettings, metric: str) -> Iterator[str]:
    # trainer/ppo/v1/replay_buffer.py samples until a batch is full, without a limit.
    key = "algorithm.filter_groups"
    if grpo.rollout.temperature == 0 and grpo.rollout.n > 1:
        yield (
            f"{key}.enable=true with actor_rollout_ref.rollout.temperature=0 would sample forever: "
            "the responses to a prompt are all alike, and every group is left out; give 1.0"
        )
    if metric == _REWARD or not grpo.reward.is_ours:
        return
    with suppress(RewardError):  # A problem of its own.
        found = compute_score("rafdb", "", "happy", **grpo.reward.options)
        names = [_REWARD, *(name for name, value in found.items() if isinstance(value, float))]
        if metric not in names:
            yield f"{key}.metric={metric}: give one of {', '.join(names)}"


def _reward_problems(reward: RewardSettings) -> Iterator[str]:
    if reward.penalised_length is None:
        return
    group = "reward.reward_kwargs"
    key = f"{group}.overlong_buffer_cfg"
    if reward.manager != "dapo":
        yield (
            f"{key} is read by reward.reward_manager.name=dapo alone, and it is "
            f"{reward.manager}: give dapo, or {key}.enable=false"
        )
    # experimental/reward_loop/reward_manager/dapo.py
    elif reward.max_length is None:
        yield f"{group}.max_resp_len is not given: give the length that the penalty ends at"
    elif not 0 < reward.penalised_length <= reward.max_length:
        yield (
            f"{key}.len={reward.penalised_length} is not from 1 to "
            f"{group}.max_resp_len={reward.max_length}; give a fifth of it"
        )
