"""Statistics of a batch of rewards, besides their mean."""

from __future__ import annotations

from collections.abc import Hashable, Sequence


def zero_variance_share(rewards: Sequence[float], groups: Sequence[Hashable]) -> float:
    """Return the share of groups in which every rollout has the same reward.

    The advantages of such a group are zero; DAPO (Yu et al., arXiv 2503.14476) replaces it by
    sampling another.

    Args:
        rewards: The reward of each rollout.
        groups: The question of each rollout.

    Returns:
        The share, in [0, 1].

    Raises:
        ValueError: There are no rollouts, or the lengths differ.
    """
    earned: dict[Hashable, set[float]] = {}
    for group, reward in zip(groups, rewards, strict=True):
        earned.setdefault(group, set()).add(reward)
    if not earned:
        raise ValueError("there are no rollouts with a reward")
    return sum(len(values) == 1 for values in earned.values()) / len(earned)
