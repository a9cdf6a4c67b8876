"""What a run writes to its folder."""

from __future__ import annotations

from dataclasses import dataclass

from recipes.training.configuration.keys import value_at
from recipes.training.configuration.settings import Settings
from recipes.training.plan.layout import Layout
from recipes.training.plan.lengths import Lengths
from recipes.training.plan.workload import Workload

_TOKEN = 5
"""Bytes of a token of English, as text."""

_LINE = 150
"""Bytes of a line of rollouts beside its texts: keys, target, score, id."""


@dataclass(frozen=True, slots=True)
class Disk:
    """What a run writes.

    Attributes:
        checkpoint: Bytes of a checkpoint.
        kept: Checkpoints that are there at once, at most.
        saved: Checkpoints that are written from beginning to end.
        rollouts: Bytes of the rollouts' texts.
    """

    checkpoint: int
    kept: int
    saved: int
    rollouts: int

    @property
    def size(self) -> int:
        """Bytes at most."""
        return self.kept * self.checkpoint + self.rollouts


def disk_of(settings: Settings, layout: Layout, workload: Workload, lengths: Lengths) -> Disk:
    """Return what a run writes.

    Args:
        settings: Of the run.
        layout: How its model is laid out.
        workload: Its steps and sequences.
        lengths: Of its sequences.
    """
    saved = _saved(settings, workload.steps)
    rollouts = 0
    if settings.trainer.folders.get("rollout_data_dir"):
        line = _LINE + _TOKEN * (lengths.text + lengths.response)
        rollouts = workload.all_sequences * line
    return Disk(checkpoint_size(settings, layout), _kept(settings, saved), saved, rollouts)


def checkpoint_size(settings: Settings, layout: Layout) -> int:
    """Return the bytes of a checkpoint.

    utils/checkpoint/fsdp_checkpoint_manager.py: the shards of weights and of AdamW's two moments,
    and `huggingface/`, all in the engine's `model_dtype`; a LoRA checkpoint holds its base too.
    """
    stored = layout.sharding.stored
    contents = {
        "model": layout.parameters * stored,
        "optimizer": 2 * layout.trained * stored,
        "hf_model": layout.parameters * stored,
    }
    saved = value_at(settings.verl, f"{settings.checkpoint_key}.save_contents")
    return sum(size for name, size in contents.items() if name in saved)


def keep_key(settings: Settings) -> str:
    """Return the setting that says how many checkpoints are kept."""
    return f"trainer.max_{'' if settings.stage == 'sft' else 'actor_'}ckpt_to_keep"


def _saved(settings: Settings, steps: int) -> int:
    trainer = settings.trainer
    if not settings.saves:
        return 0
    if trainer.save_freq == "after_each_epoch":
        return min(trainer.epochs, steps)
    frequency = int(trainer.save_freq)
    if frequency <= 0:
        return min(1, steps)
    # The last step is saved too.
    return -(-steps // frequency)


def _kept(settings: Settings, saved: int) -> int:
    # utils/checkpoint/checkpoint_manager.py: with 1, the old one goes once the new one is there.
    keep = value_at(settings.verl, keep_key(settings))
    return saved if not keep or keep < 1 else min(saved, max(2, keep))
