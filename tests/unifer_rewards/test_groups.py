from __future__ import annotations

import pytest

from unifer_rewards.groups import zero_variance_share


@pytest.mark.parametrize(
    ("rewards", "groups", "share"),
    [
        ([1, 1, 0, 0], "aabb", 1),
        ([1, 0, 0, 0], "aabb", 0.5),
        ([1, 0, 0, 0], "abab", 0.5),
        ([1, 0, 0, 1], "aabb", 0),
        ([0.3], "a", 1),
    ],
)
def test_share(rewards: list[float], groups: str, share: float) -> None:
    assert zero_variance_share(rewards, groups) == share


@pytest.mark.parametrize(("rewards", "groups"), [([], ""), ([1.0], "ab")])
def test_what_has_no_share_is_refused(rewards: list[float], groups: str) -> None:
    with pytest.raises(ValueError, match=r"no rollout|zip"):
        zero_variance_share(rewards, groups)
