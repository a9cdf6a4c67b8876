"""Measures of a batch of rewards, beside their mean."""

from __future__ import annotations

from collections.abc import Hashable, Sequence


def zero_variance_share(rewards: Sequence[float], groups: Sequence[Hashable]) -> float:
    """Return the share of groups in which every rollout earned the same.

    Such a group has no advantage to learn from; DAPO (Yu et al., arXiv 2503.14476) samples
    others in its place.

    Args:
        rewards: The reward of each rollout.
        groups: The question of each rollout.

    Returns:
        The share, in [0, 1].

    Raises:
        ValueError: There is no rollout, or the two differ in length.
    """
    earned: dict[Hashable, set[float]] = {}
    for group, reward in zip(groups, rewards, strict=True):
        earned.setdefault(group, set()).add(reward)
    if not earned:
        raise ValueError("no rollout has a reward yet")
    return sum(len(values) == 1 for values in earned.values()) / len(earned)
