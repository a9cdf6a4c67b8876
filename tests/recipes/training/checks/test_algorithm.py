"""Settings of an algorithm that never come to an end are refused; what changes nothing is noted."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("verl")

from recipes.training.checks.algorithm import algorithm_notes, algorithm_problems
from recipes.training.checks.unread import unread_problems
from recipes.training.configuration.compose import read_settings

ACTOR = "actor_rollout_ref.actor"
MINI = f"{ACTOR}.ppo_mini_batch_size"
FILTER = "algorithm.filter_groups"
OVERLONG = "reward.reward_kwargs.overlong_buffer_cfg"
MAX_LENGTH = "reward.reward_kwargs.max_resp_len"
QUARTER = f"nothing where a batch is one update; it does with an {MINI} below data.train_batch_s"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        *(([f"algorithm={name}"], None) for name in ("grpo", "dr_grpo", "dapo", "cispo", "sapo")),
        ([f"{ACTOR}.policy_loss.loss_mode=gpso"], "loss_mode=gpso: give one of bypass_mode, cispo"),
        # verl would sample for ever, or fail at the first batch.
        (["algorithm=dapo", "actor_rollout_ref.rollout.temperature=0"], "would sample forever"),
        (["actor_rollout_ref.rollout.temperature=0"], None),
        # verl keeps a group of one.
        (
            [
                "algorithm=dapo", "actor_rollout_ref.rollout.temperature=0",
                "actor_rollout_ref.rollout.n=1",
            ],
            None,
        ),
        (["algorithm=dapo", f"{FILTER}.metric=acc"], None),
        (["algorithm=dapo", f"{FILTER}.metric=score"], None),
        (["algorithm=dapo", f"{FILTER}.metric=accurcy"], "metric=accurcy: give one of reward, sco"),
        (["algorithm=dapo", f"{FILTER}.metric=pred"], f"{FILTER}.metric=pred: give one of reward"),
        (["algorithm=dapo", f"{FILTER}.metric=null"], f"{FILTER}.metric=None: give one of reward"),
        # The reward that is at fault is another check's.
        (
            [
                "algorithm=dapo", f"{FILTER}.metric=acc",
                "reward.custom_reward_function.reward_kwargs.preset=none",
            ],
            None,
        ),
        (["algorithm=dapo", f"{FILTER}.max_num_gen_batches=10"], "max_num_gen_batches=10 changes"),
        (["actor_rollout_ref.nccl_timeout=3600"], "nccl_timeout=3600 changes nothing in verl"),
        # The penalty of length is one reward manager's.
        (["algorithm=dapo", "reward.reward_manager.name=naive"], f"{OVERLONG} is read by reward."),
        (["algorithm=dapo", "reward.reward_manager.name=naive", f"{OVERLONG}.enable=false"], None),
        (["algorithm=dapo", "data.max_response_length=128"], None),
        (
            ["algorithm=dapo", "data.max_response_length=128", f"{OVERLONG}.len=205"],
            f"{OVERLONG}.len=205 is not from 1 to {MAX_LENGTH}=128; give a fifth of it",
        ),
        (["algorithm=dapo", f"{MAX_LENGTH}=512"], None),
        (["algorithm=dapo", f"{MAX_LENGTH}=null"], f"{MAX_LENGTH} is not given: give the length"),
        (["algorithm=dapo", f"{OVERLONG}.len=0"], f"{OVERLONG}.len=0 is not from 1 to reward"),
    ],
)  # fmt: skip
def test_settings_of_an_algorithm(
    overrides: list[str], message: str | None, tmp_path: Path
) -> None:
    given = [f"trainer.default_local_dir={tmp_path}", *overrides]
    settings = read_settings("grpo", "7b", given)
    found = [*algorithm_problems(settings), *unread_problems(settings)]
    assert len(found) == (message is not None)
    assert (message or "") in " ".join(found)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        *(([f"algorithm={name}"], None) for name in ("grpo", "dr_grpo", "dapo", "cispo", "sapo")),
        # At one update a batch the ratio is 1, and there is nothing to clip.
        (["algorithm=gspo", f"{MINI}=32"], f"policy_loss.loss_mode=gspo changes {QUARTER}"),
        # As many updates as ever, whatever the batch.
        (["algorithm=sapo", "data.train_batch_size=8"], None),
        (["algorithm=sapo", "data.train_batch_size=1"], "loss_mode=sapo changes nothing"),
        (["algorithm=cispo", f"{MINI}=32"], "loss_mode=cispo changes nothing"),
        ([f"{ACTOR}.policy_loss.loss_mode=gspo"], "loss_mode=gspo changes nothing"),
        ([f"{ACTOR}.clip_ratio_high=0.28"], f"clip_ratio_high=0.28 change {QUARTER}"),
        ([f"{ACTOR}.clip_ratio_high=0.28", f"{MINI}=8"], None),
        ([f"{ACTOR}.clip_ratio_high=0.28", f"{ACTOR}.ppo_epochs=2"], None),
        # Here it compares with the rollout engine's probabilities.
        ([f"{ACTOR}.clip_ratio_high=0.28", "algorithm.rollout_correction.bypass_mode=true"], None),
        # Nothing to compare a reward with, but the reward itself.
        (["actor_rollout_ref.rollout.n=1"], "n=1: grpo has no other rollout of a prompt"),
        (["actor_rollout_ref.rollout.n=1", "algorithm.adv_estimator=rloo"], "n=1: rloo has no"),
        (["actor_rollout_ref.rollout.n=1", "algorithm.adv_estimator=reinforce_plus_plus"], None),
        (["algorithm=dapo", f"{MAX_LENGTH}=512"], f"{MAX_LENGTH}=512: the penalty of length ends"),
        (["algorithm=dapo", "data.max_response_length=128"], None),
    ],
)  # fmt: skip
def test_what_changes_nothing_may_be_meant(
    overrides: list[str], message: str | None, tmp_path: Path
) -> None:
    settings = read_settings("grpo", "7b", [f"trainer.default_local_dir={tmp_path}", *overrides])
    found = [*algorithm_notes(settings)]
    assert len(found) == (message is not None)
    assert (message or "") in " ".join(found)
