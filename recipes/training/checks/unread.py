"""Settings that verl 0.9.1 takes and never reads.

Each entry of the table was looked for in verl's sources: the FSDP engine, and the trainers of
`trainer.use_v1`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from recipes.training.configuration.keys import value_at
from recipes.training.configuration.required import VERL
from recipes.training.configuration.settings import Settings, Stage


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
            "give method=frozen_vision",
        ),
        # workers/engine/fsdp/transformer_impl.py, optimizer_step: `optimizer_config.clip_grad`
        _Unread(
            "actor_rollout_ref.actor.grad_clip", 1.0, "give actor_rollout_ref.actor.optim.clip_grad"
        ),
        # trainer/ppo/ray_trainer.py, the trainer before `use_v1`
        _Unread("actor_rollout_ref.actor.use_prefix_grouper", False, "leave it out"),
        _Unread("algorithm.use_pf_ppo", False, "leave it out"),
        # trainer/ppo/v1/trainer_base.py, _resolve_filter_groups_metric
        _Unread(
            "algorithm.filter_groups.max_num_gen_batches",
            0,
            "algorithm.filter_groups.max_inflight_gen_batches bounds what is sampled at once",
        ),
        _Unread("trainer.esi_redundant_time", 0, "leave it out"),
        # workers/config/rollout.py alone
        _Unread("actor_rollout_ref.rollout.over_sample_rate", 0, "leave it out"),
        _Unread("actor_rollout_ref.rollout.multi_stage_wake_up", False, "leave it out"),
        # trainer/config/ppo_trainer.yaml and trainer/config/data/legacy_data.yaml alone
        _Unread("actor_rollout_ref.nccl_timeout", 600, "leave it out"),
        _Unread("data.return_raw_input_ids", False, "leave it out"),
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


def unread_problems(settings: Settings) -> Iterator[str]:
    """Yield settings that have been changed and that verl never reads."""
    for unread in _UNREAD[settings.stage]:
        value = value_at(settings.verl, unread.key)
        if value != unread.off:
            yield f"{unread.key}={value} changes nothing in verl {VERL}; {unread.instead}"
