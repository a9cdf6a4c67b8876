"""Settings that verl 0.9.1 takes and never reads, and such as it cannot train with.

Each entry of the table was looked for in verl's sources: the FSDP engine, and the trainers of
`trainer.use_v1`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipes.training.checks.rows import Stage
from recipes.training.runs.checkpoints import is_checkpoint

Config = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Unread:
    """A setting that changes nothing.

    Attributes:
        key: Its name.
        off: What it may be left at.
        instead: What to give in its place.
    """

    key: str
    off: object
    instead: str


_UNREAD: Mapping[Stage, tuple[_Unread, ...]] = {
    "grpo": (
        # workers/config/actor.py alone names it; the FSDP engine trains every parameter.
        _Unread(
            "actor_rollout_ref.actor.freeze_vision_tower",
            False,
            "LoRA leaves the vision tower alone (actor_rollout_ref.model.lora_rank=32)",
        ),
        # workers/engine/fsdp/transformer_impl.py, optimizer_step: `optimizer_config.clip_grad`
        _Unread(
            "actor_rollout_ref.actor.grad_clip", 1.0, "give actor_rollout_ref.actor.optim.clip_grad"
        ),
        # trainer/ppo/ray_trainer.py, the trainer before `use_v1`
        _Unread("actor_rollout_ref.actor.use_prefix_grouper", False, "leave it out"),
        _Unread("algorithm.use_pf_ppo", False, "leave it out"),
        _Unread("trainer.esi_redundant_time", 0, "leave it out"),
        # workers/config/rollout.py alone
        _Unread("actor_rollout_ref.rollout.over_sample_rate", 0, "leave it out"),
        # migrate_legacy_reward_impl, which main_ppo does not call
        _Unread(
            "custom_reward_function.path", None, "give reward.custom_reward_function.path and name"
        ),
        _Unread("reward_model.reward_manager", None, "give reward.reward_manager.name"),
        _Unread("reward_model.enable", None, "give reward.reward_model.enable"),
        _Unread("reward_model.num_workers", None, "give reward.num_workers"),
    ),
    # trainer/config/sft_trainer_engine.yaml alone
    "sft": (_Unread("data.balance_dp_token", False, "leave it out"),),
}

# Their advantage compares the rollouts of one prompt: trainer/ppo/core_algos.py.
_GROUPED = frozenset({"grpo", "grpo_vectorized", "gdpo", "grpo_passk", "rloo", "rloo_vectorized",
                      "opo", "reinforce_plus_plus_baseline", "gpg"})  # fmt: skip

_POSITIVE: Mapping[Stage, tuple[str, ...]] = {
    "sft": ("data.train_batch_size", "data.max_length", "trainer.total_epochs"),
    "grpo": (
        "data.train_batch_size",
        "data.max_prompt_length",
        "data.max_response_length",
        "actor_rollout_ref.actor.ppo_mini_batch_size",
        "actor_rollout_ref.rollout.n",
        "actor_rollout_ref.rollout.tensor_model_parallel_size",
        "actor_rollout_ref.rollout.data_parallel_size",
        "trainer.total_epochs",
    ),
}
_EVERY_RUN = ("trainer.n_gpus_per_node", "trainer.nnodes")
_RESUME_MODES = ("auto", "disable", "resume_path")
_FOLDERS = ("default_local_dir", "rollout_data_dir", "validation_data_dir")


def number_problems(stage: Stage, config: Config) -> Iterator[str]:
    """Yield the counts that are not positive whole numbers; nothing else can be reckoned then."""
    for key in (*_EVERY_RUN, *_POSITIVE[stage]):
        value = at(config, key)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            yield f"{key}={value}: give a whole number of 1 or more"


def setting_problems(stage: Stage, config: Config) -> Iterator[str]:
    """Yield settings that verl never reads, or cannot train with."""
    for unread in _UNREAD[stage]:
        value = at(config, unread.key)
        if value != unread.off:
            yield f"{unread.key}={value} changes nothing in verl 0.9.1; {unread.instead}"
    mode = config["trainer"]["resume_mode"]
    if mode not in _RESUME_MODES:
        yield f"trainer.resume_mode={mode}: give one of {', '.join(_RESUME_MODES)}"
    elif mode == "resume_path":
        source = Path(str(config["trainer"]["resume_from_path"]))
        if not source.is_dir() or not is_checkpoint(source):
            yield (
                f"trainer.resume_from_path={source} is no checkpoint: give a folder global_step_N"
            )
    if stage == "grpo":
        estimator = config["algorithm"]["adv_estimator"]
        n = config["actor_rollout_ref"]["rollout"]["n"]
        if estimator in _GROUPED and n < 2:
            yield (
                f"actor_rollout_ref.rollout.n={n}: {estimator} compares the rollouts of a prompt; "
                "give 2 or more"
            )


def folder_problems(config: Config) -> Iterator[str]:
    """Yield the folders that the run could not write to; nothing is left of the attempt."""
    for name in _FOLDERS:
        folder = config["trainer"].get(name)
        if folder is not None and (reason := _unwritable(Path(str(folder)).absolute())):
            yield f"trainer.{name}={folder} cannot be written to: {reason}"


def _unwritable(folder: Path) -> str | None:
    try:
        there = next(path for path in (folder, *folder.parents) if path.exists())
        with tempfile.TemporaryFile(dir=there):
            return None
    except OSError as error:
        return str(error.strerror or error)


def at(config: Config, key: str) -> Any:
    """Return the value of a dotted key."""
    node: Any = config
    for name in key.split("."):
        node = node[name]
    return node
