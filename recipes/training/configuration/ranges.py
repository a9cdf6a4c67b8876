"""What a setting may be, where verl or vLLM fails late on anything else or it cannot be meant."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
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
        f"{_ROLLOUT}.max_num_seqs", f"{_ROLLOUT}.max_num_batched_tokens",
        f"{_ROLLOUT}.tensor_model_parallel_size", f"{_ROLLOUT}.data_parallel_size",
        f"{_ACTOR}.ulysses_sequence_parallel_size",
        f"{_ACTOR}.fsdp_config.ulysses_sequence_parallel_size",
    ),
}  # fmt: skip
"""Stage -> settings that are whole numbers of 1 or more."""

_STEPS = "trainer.total_training_steps"
_OPTIONAL_COUNTS: Mapping[str, tuple[str, ...]] = {
    "sft": (_STEPS, "data.micro_batch_size_per_gpu"),
    "grpo": (
        _STEPS, "data.gen_batch_size", f"{_ACTOR}.ppo_micro_batch_size_per_gpu",
        f"{_ROLLOUT}.log_prob_micro_batch_size_per_gpu", f"{_ROLLOUT}.max_model_len",
        "actor_rollout_ref.ref.log_prob_micro_batch_size_per_gpu",
    ),
}  # fmt: skip
"""Stage -> settings that are whole numbers of 1 or more, or null."""

_SCHEDULES = ("constant", "cosine")
_STRATEGIES = ("fsdp", "fsdp2", "fsdp_turbo")
# utils/torch_dtypes.py, PrecisionType
_PRECISIONS = ("fp32", "float32", "32", "bf16", "bfloat16", "fp16", "float16", "16")
_CONTENTS = ("model", "optimizer", "extra", "hf_model")
_KL = tuple(
    f"{name}{gradient}"
    for gradient in ("", "+")
    for name in ("low_var_kl", "k3", "kl", "k1", "mse", "k2", "abs")
)
NAMES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "sft": {
        "data.truncation": ("error", "left", "right"),
        "engine.strategy": _STRATEGIES,
        "engine.model_dtype": _PRECISIONS,
        "optim.lr_scheduler_type": _SCHEDULES,
        "checkpoint.save_contents": _CONTENTS,
    },
    "grpo": {
        f"{_ACTOR}.strategy": _STRATEGIES,
        f"{_ACTOR}.fsdp_config.model_dtype": _PRECISIONS,
        f"{_ACTOR}.optim.lr_scheduler_type": _SCHEDULES,
        f"{_ACTOR}.checkpoint.save_contents": _CONTENTS,
        # trainer/ppo/core_algos.py, agg_loss, kl_penalty and AdvantageEstimator
        f"{_ACTOR}.loss_agg_mode": (
            "token-mean", "token-sum", "seq-mean-token-sum", "seq-mean-token-mean",
            "seq-mean-token-sum-norm",
        ),
        f"{_ACTOR}.kl_loss_type": _KL,
        "algorithm.kl_penalty": _KL,
        "algorithm.adv_estimator": (
            "grpo", "gae", "reinforce_plus_plus", "reinforce_plus_plus_baseline", "remax", "rloo",
            "opo", "grpo_passk", "gpg", "rloo_vectorized", "grpo_vectorized",
            "optimal_token_baseline", "tir_optimal_token_baseline", "gdpo",
        ),
        f"{_ROLLOUT}.name": ("vllm", "sglang", "trtllm"),
        f"{_ROLLOUT}.dtype": ("bfloat16", "float16", "float32", "half", "float", "auto"),
    },
}  # fmt: skip
"""Stage -> settings that have one of some values, or a list of them."""
NAMES_OF_BOTH: Mapping[str, tuple[str, ...]] = {
    "trainer.device": ("cuda", "cpu", "npu"),
    "trainer.resume_mode": ("auto", "disable", "resume_path"),
    # utils/tracking.py, Tracking.supported_backend
    "trainer.logger": (
        "console", "file", "tensorboard", "wandb", "mlflow", "swanlab", "vemlp_wandb", "clearml",
        "trackio", "rl_insight", "tracking",
    ),
}  # fmt: skip
_OPTIONAL_NAMES = re.compile(r"\.(?:model_dtype|save_contents)$")
"""Settings that verl has a name for where they are null."""


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
_SHARE_OR_NONE = _Range(lowest=0, highest=1)
_RANGES: Mapping[str, Mapping[str, _Range]] = {
    "sft": {
        "optim.lr_warmup_steps_ratio": _SHARE_OR_NONE,
        "optim.weight_decay": _NOT_NEGATIVE,
        "optim.clip_grad": _POSITIVE,
        "model.lora_rank": _NOT_NEGATIVE,
    },
    "grpo": {
        f"{_ACTOR}.optim.lr_warmup_steps_ratio": _SHARE_OR_NONE,
        f"{_ACTOR}.optim.weight_decay": _NOT_NEGATIVE,
        f"{_ACTOR}.optim.clip_grad": _POSITIVE,
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
    """Yield the settings whose values cannot be meant.

    Args:
        stage: "sft" or "grpo".
        verl: The whole configuration of verl's trainer, resolved.
    """
    for key in _COUNTS[stage]:
        if not _is_count(value := value_at(verl, key)):
            yield f"{key}={value}: give a whole number of 1 or more"
    for key in _OPTIONAL_COUNTS[stage]:
        if (value := value_at(verl, key)) is not None and not _is_count(value):
            null = "null for whole epochs" if key == _STEPS else "null"
            yield f"{key}={value}: give a whole number of 1 or more, or {null}"
    for key, allowed in {**_RANGES[stage], **_rate(stage, verl)}.items():
        value = value_at(verl, key)
        if isinstance(value, bool) or not isinstance(value, int | float) or value not in allowed:
            yield f"{key}={value}: give a number {allowed}"
    for key, names in {**NAMES[stage], **NAMES_OF_BOTH}.items():
        value = value_at(verl, key)
        if value is None and _OPTIONAL_NAMES.search(key):
            continue
        for name in value if isinstance(value, list) else [value]:
            if str(name) not in names and name not in _registered(key):
                yield f"{key}={name}: give one of {', '.join(names)}"
    yield from _frequency_problems(verl) if stage == "sft" else _group_problems(verl)


def _rate(stage: Literal["sft", "grpo"], verl: Config) -> Mapping[str, _Range]:
    """Return the setting of the learning rate -> what it may be."""
    optim = "optim" if stage == "sft" else f"{_ACTOR}.optim"
    # A step of Adam moves each weight by about the rate; of others, such as SGD, by any part of it.
    is_adam = "adam" in str(value_at(verl, f"{optim}.optimizer")).lower()
    return {f"{optim}.lr": _SHARE_OR_NONE if is_adam else _NOT_NEGATIVE}


def _registered(key: str) -> Collection[str]:
    """Return the names that verl has for a setting, those of its plug-ins too.

    `NAMES` spares the recipes the seconds that it takes to import verl.
    """
    names: Collection[str] = ()
    if key == "algorithm.adv_estimator":
        from verl.trainer.ppo.core_algos import ADV_ESTIMATOR_REGISTRY

        names = ADV_ESTIMATOR_REGISTRY
    elif key == "trainer.logger":
        from verl.utils.tracking import Tracking

        names = Tracking.supported_backend
    elif key == f"{_ROLLOUT}.name":
        from verl.workers.rollout.replica import RolloutReplicaRegistry

        names = RolloutReplicaRegistry._registry
    elif key == "trainer.device":
        from verl.plugin.platform import PlatformRegistry

        found = map(PlatformRegistry.get, PlatformRegistry.registered_names())
        names = {platform().device_name for platform in found if platform is not None}
    return names


def _frequency_problems(verl: Config) -> Iterator[str]:
    for key in ("trainer.save_freq", "trainer.test_freq"):
        value = value_at(verl, key)
        # trainer/sft_trainer.py, fit: `global_step % self.save_freq`
        if value != "after_each_epoch" and (not isinstance(value, int) or value == 0):
            yield f"{key}={value}: give a number of steps, after_each_epoch, or -1 for never"


def _group_problems(verl: Config) -> Iterator[str]:
    # trainer/ppo/core_algos.py, compute_grpo_passk_outcome_advantage
    estimator = value_at(verl, "algorithm.adv_estimator")
    if value_at(verl, f"{_ROLLOUT}.n") == 1 and estimator == "grpo_passk":
        yield f"{_ROLLOUT}.n=1: {estimator} compares the rollouts of a prompt; give 2 or more"


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
