"""How much of everything the demo takes."""

from __future__ import annotations

from dataclasses import dataclass

from data_prep.synthetic.stand_in_training import Labels

COLD_LABELS: tuple[Labels, ...] = ("sqrt", "official")
"""What the labels of the cold start may be like; the first is the default."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything.

    Attributes:
        faces: Faces of SFT and of GRPO, all labels alike.
        few: How many of these the first SFT sees.
        skewed: Faces of the cold start.
        untagged: Share of the cold start's responses that answer without tags.
        held_out: Faces for each label of each dataset to evaluate on.
        few_steps: Steps of the first SFT, of `_SFT_BATCH` faces.
        sft_steps: Steps of the second SFT.
        cold_steps: Steps of the cold start.
        grpo_steps: Steps of GRPO.
        prompts: Prompts of a step of GRPO.
    """

    faces: int = 8_000
    few: int = 1_000
    skewed: int = 2_000
    untagged: float = 0.5
    held_out: int = 25
    few_steps: int = 350
    sft_steps: int = 1_100
    cold_steps: int = 60
    grpo_steps: int = 15
    prompts: int = 32


QUICK = Sizes(
    faces=64,
    few=32,
    skewed=64,
    held_out=1,
    few_steps=2,
    sft_steps=2,
    cold_steps=2,
    grpo_steps=2,
    prompts=16,
)
