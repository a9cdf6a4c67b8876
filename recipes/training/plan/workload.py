"""How much a run computes, and how long that takes."""

from __future__ import annotations

from dataclasses import dataclass

from recipes.training.checks.shapes import ModelShape
from recipes.training.configuration.settings import ConfigurationError, GrpoSettings, Settings
from recipes.training.plan.lengths import Lengths

_H100 = 989e12
"""Operations a second of an H100 in bfloat16, dense: NVIDIA's data sheet."""

_UTILISATION = 0.2
"""Of these, what training a VLM by FSDP uses: EasyR1 measured 16 to 26 % for 7B and 32B."""

# EasyR1 v0.3.2, assets/baselines.md (github.com/hiyouga/EasyR1): GRPO of Qwen2.5-VL on 8 H100,
# 512 prompts x 5 responses a step, "number of tokens per second per GPU by one training step".
_PUBLISHED = ((5e9, 1800.0), (15e9, 1600.0), (float("inf"), 620.0))


SAMPLED = 3.0
"""Prompts that dynamic sampling samples for one that is trained on, as verl's
run_dapo_qwen2.5_32b.sh provides for (`gen_prompt_bsz`); how many groups have no variance, only a
run shows."""

_SAMPLING = 0.44
"""Of a step's time, what sampling takes where each prompt is sampled once. verl's
docs/advance/one_step_off.md: 70 % of a step of that DAPO run, which samples three times as many."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast a GPU goes.

    Attributes:
        tokens: Tokens a second of a GPU, prompts included; None if unknown.
        source: Who says so.
    """

    tokens: float | None
    source: str


@dataclass(frozen=True, slots=True)
class Workload:
    """What a run computes.

    Attributes:
        rows: Rows to train on.
        steps: Steps from its beginning to its end.
        sequences: Sequences of a step: rows, or responses of GRPO.
        tokens: Tokens of a sequence, the mean.
        sampled: Sequences that are sampled for one of a step, with those that dynamic sampling
            leaves out; None without dynamic sampling.
    """

    rows: int
    steps: int
    sequences: int
    tokens: int
    sampled: float | None = None

    @property
    def step_tokens(self) -> int:
        """Tokens of a step."""
        return self.sequences * self.tokens

    @property
    def all_sequences(self) -> int:
        """Sequences of the run."""
        return self.steps * self.sequences

    @property
    def all_tokens(self) -> int:
        """Tokens of the run."""
        return self.steps * self.step_tokens

    def step_seconds(self, rate: Rate, gpus: int) -> float | None:
        """Return how long a step takes; None if the rate is unknown."""
        if rate.tokens is None:
            return None
        more = _SAMPLING * ((self.sampled or 1) - 1)
        return (1 + more) * self.step_tokens / (rate.tokens * gpus)

    def hours(self, rate: Rate, gpus: int) -> float | None:
        """Return how long the run takes, without start-up, validation and checkpoints."""
        seconds = self.step_seconds(rate, gpus)
        return None if seconds is None else self.steps * seconds / 3600


def workload_of(
    settings: Settings, rows: int, lengths: Lengths, sampled: float | None = None
) -> Workload:
    """Return what a run computes.

    Args:
        settings: Of the run.
        rows: Rows to train on.
        lengths: Of its sequences.
        sampled: See `Assumed.sampled`.

    Raises:
        ConfigurationError: `sampled` is given for a run without dynamic sampling, or is below 1.
    """
    method = settings.method
    responses = method.rollout.n if isinstance(method, GrpoSettings) else 1
    filtered = isinstance(method, GrpoSettings) and method.group_filter is not None
    if sampled is not None and not filtered:
        raise ConfigurationError(
            "--sampled is of dynamic sampling, and this run samples each prompt once: leave it "
            "out, or give algorithm=dapo"
        )
    if sampled is not None and sampled < 1:
        raise ConfigurationError(
            f"--sampled {sampled:g} is below 1: all that is trained on is sampled"
        )
    return Workload(
        rows=rows,
        steps=settings.total_steps(rows),
        sequences=settings.data.batch_size * responses,
        tokens=lengths.mean,
        sampled=(sampled or SAMPLED) if filtered else None,
    )


def rate_of(settings: Settings, shape: ModelShape, given: float | None) -> Rate:
    """Return how fast a GPU goes: as given, else as published.

    GRPO has published rates for whole steps. SFT is taken to compute 6 operations a parameter and
    token (Kaplan et al. 2020, arXiv:2001.08361, section 2.1) at a published utilisation.
    """
    if given is not None:
        return Rate(given, "given")
    if settings.trainer.device == "cpu":
        return Rate(None, "no rate is known for a CPU: give --tokens-per-second")
    if settings.stage == "grpo":
        tokens = next(rate for most, rate in _PUBLISHED if shape.parameters < most)
        return Rate(tokens, "EasyR1's on 8 H100, in steps of 1.9 M tokens; small ones are slower")
    return Rate(
        _UTILISATION * _H100 / (6 * shape.parameters),
        f"{_UTILISATION:.0%} of an H100's {_H100 / 1e12:.0f} TFLOP/s, as EasyR1's; small steps are "
        "slower",
    )
