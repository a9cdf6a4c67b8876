"""The same rewards for TRL's GRPOTrainer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from unifer_rewards.fer import compute_score
from unifer_rewards.presets import make_reward

Completion = str | Sequence[Mapping[str, Any]]
"""Plain text, or a conversation whose last message is the response."""


def trl_reward(**options: Any) -> Callable[..., list[float]]:
    """Make a reward function over lists, as TRL calls it.

    The dataset needs the columns `data_source` and `solution`, and may have `extra_info`,
    with the same values as verl's rows.

    Args:
        **options: The keyword arguments of `fer.compute_score`.

    Raises:
        RewardError: An option is invalid.
    """
    make_reward(**options)

    def unifer_reward(
        completions: Sequence[Completion],
        data_source: Sequence[str],
        solution: Sequence[str],
        extra_info: Sequence[Mapping[str, Any] | None] | None = None,
        **_: Any,
    ) -> list[float]:
        extras = extra_info or [None] * len(completions)
        return [
            float(compute_score(source, _text(completion), truth, extra, **options)["score"])
            for completion, source, truth, extra in zip(
                completions, data_source, solution, extras, strict=True
            )
        ]

    return unifer_reward


def _text(completion: Completion) -> str | None:
    return completion if isinstance(completion, str) else completion[-1]["content"]
