"""Which numbers a setting may have, where verl or vLLM fails late on others or trains nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from recipes.training.configuration.keys import Config, value_at

_ACTOR, _ROLLOUT = "actor_rollout_ref.actor", "actor_rollout_ref.rollout"
_BOTH_STAGES = ("trainer.n_gpus_per_node", "trainer.nnodes", "trainer.total_epochs")
_COUNTS: Mapping[str, tuple[str, ...]] = {
    "sft": (
        *_BOTH_STAGES, "data.train_batch_size", "data.max_length",
        "engine.ulysses_sequence_parallel_size",
    ),
    "grpo": (
        *_BOTH_STAGES, "data.train_batch_size", "data.max_prompt_length",
        "data.max_response_length", f"{_ACTOR}.ppo_mini_batch_size", f"{_ROLLOUT}.n",
        f"{_ROLLOUT}.tensor_model_parallel_size", f"{_ROLLOUT}.data_parallel_size",
        f"{_ACTOR}.ulysses_sequence_parallel_size",
        f"{_ACTOR}.fsdp_config.ulysses_sequence_parallel_size",
    ),
}  # fmt: skip
"""Stage -> settings that are whole numbers of 1 or more."""

_STEPS = "trainer.total_training_steps"


@dataclass(frozen=True, slots=True)
class _Range:
    """Numbers from a lowest to a highest.

    Attributes:
        lowest: None for any number above 0.
        highest: None for any.
    """

    lowest: float | None = None
    highest: float | None = None

    def __contains__(self, value: float) -> bool:
        above = value > 0 if self.lowest is None else value >= self.lowest
        return above and (self.highest is None or value <= self.highest)

    def __str__(self) -> str:
        lowest = "above 0" if self.lowest is None else f"of {self.lowest:g} or more"
        return lowest if self.highest is None else f"{lowest} and up to {self.highest:g}"


_POSITIVE, _NOT_NEGATIVE, _SHARE = _Range(), _Range(lowest=0), _Range(highest=1)
_RANGES: Mapping[str, Mapping[str, _Range]] = {
    "sft": {"optim.lr": _POSITIVE, "model.lora_rank": _NOT_NEGATIVE},
    "grpo": {
        f"{_ACTOR}.optim.lr": _POSITIVE,
        f"{_ACTOR}.kl_loss_coef": _NOT_NEGATIVE,
        f"{_ACTOR}.clip_ratio_low": _NOT_NEGATIVE,
        f"{_ACTOR}.clip_ratio_high": _NOT_NEGATIVE,
        f"{_ROLLOUT}.gpu_memory_utilization": _SHARE,
        f"{_ROLLOUT}.temperature": _NOT_NEGATIVE,
        f"{_ROLLOUT}.top_p": _SHARE,
        "actor_rollout_ref.model.lora_rank": _NOT_NEGATIVE,
    },
}


def range_problems(stage: Literal["sft", "grpo"], verl: Config) -> Iterator[str]:
    """Yield the settings whose numbers cannot be meant.

    Args:
        stage: "sft" or "grpo".
        verl: The whole configuration of verl's trainer, resolved.
    """
    for key in _COUNTS[stage]:
        if not _is_count(value := value_at(verl, key)):
            yield f"{key}={value}: give a whole number of 1 or more"
    steps = value_at(verl, _STEPS)
    if steps is not None and not _is_count(steps):
        yield f"{_STEPS}={steps}: give a whole number of 1 or more, or null for whole epochs"
    for key, allowed in _RANGES[stage].items():
        value = value_at(verl, key)
        if isinstance(value, bool) or not isinstance(value, int | float) or value not in allowed:
            yield f"{key}={value}: give a number {allowed}"


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
