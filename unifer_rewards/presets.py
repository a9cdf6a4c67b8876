"""Which terms a reward weighs, and how they add up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from unifer_rewards.rows import Target
from unifer_rewards.terms.accuracy import accuracy
from unifer_rewards.terms.action_units import action_units
from unifer_rewards.terms.brevity import FREE_WORDS, MOST_WORDS, brevity
from unifer_rewards.terms.consistency import consistency
from unifer_rewards.terms.evidence import evidence
from unifer_rewards.terms.format import format_kept
from unifer_rewards.terms.upstream import upstream_accuracy, upstream_format
from unifer_tasks.protocol.answers import Answer
from unifer_tasks.rationale.repetition import repetition

TERMS = (
    "accuracy",
    "format",
    "consistency",
    "action_units",
    "brevity",
    "repetition",
    "upstream_accuracy",
    "upstream_format",
)
"""Every term, each in [0, 1] and the more the better."""


class RewardError(ValueError):
    """A reward that cannot be: an unknown preset or term, or a number out of range."""


@dataclass(frozen=True, slots=True)
class Reward:
    """How terms add up.

    Ungated: the sum of weight * term. Gated: format * (accuracy's part of that sum + the rest
    of it if the answer is right). So nothing but a vote share is ever paid for a wrong
    answer, and nothing at all for a response out of form.

    Attributes:
        weights: Term -> weight, from 0 up; a term that is missing weighs nothing.
        gated: Whether the other terms are paid only in form and only when right.
        vote_credit: See `accuracy.accuracy`.
        free_words: See `brevity.brevity`.
        most_words: Likewise.

    Raises:
        RewardError: A weight is for no term or no number from 0 up, no term has any weight,
            or another number is out of its range.
    """

    weights: Mapping[str, float]
    gated: bool = True
    vote_credit: float = 0.0
    free_words: int = FREE_WORDS
    most_words: int = MOST_WORDS

    def __post_init__(self) -> None:
        unknown = sorted(set(map(str, self.weights)) - set(TERMS))
        if unknown:
            raise RewardError(f"unknown terms {', '.join(unknown)}; known: {', '.join(TERMS)}")
        for term, weight in self.weights.items():
            if not _is_number(weight) or not 0 <= weight < math.inf:
                raise RewardError(f"weight of {term} must be a number from 0 up, got {weight!r}")
        if not self.maximum:
            raise RewardError("no term has any weight")
        if not _is_number(self.vote_credit) or not 0 <= self.vote_credit <= 1:
            raise RewardError(f"vote_credit must be in [0, 1], got {self.vote_credit!r}")
        words = (self.free_words, self.most_words)
        if not all(map(_is_number, words)) or not 0 <= words[0] < words[1]:
            raise RewardError(
                f"needs 0 <= free_words < most_words, got {words[0]!r} and {words[1]!r}"
            )

    @property
    def maximum(self) -> float:
        """What a response earns that is perfect in every term."""
        return math.fsum(self.weights.values())

    def terms(self, response: str, answer: Answer, target: Target) -> dict[str, float]:
        """Returns the value of every term, whether or not it has a weight."""
        argument = evidence(answer.rationale)
        words = response.split()
        return {
            "accuracy": accuracy(answer, target.truth, target.votes, self.vote_credit),
            "format": format_kept(response),
            "consistency": consistency(answer, argument),
            "action_units": action_units(answer, target.truth, argument),
            "brevity": brevity(len(words), self.free_words, self.most_words),
            "repetition": repetition(words),
            "upstream_accuracy": upstream_accuracy(response, target.solution),
            "upstream_format": upstream_format(response),
        }

    def total(self, terms: Mapping[str, float], *, right: bool) -> float:
        """Adds terms up.

        Args:
            terms: The value of every term.
            right: Whether the answer is the true label.

        Returns:
            The reward, in [0, `maximum`].
        """
        earned = {term: weight * terms[term] for term, weight in self.weights.items()}
        if not self.gated:
            return math.fsum(earned.values())
        paid = math.fsum(earned.values()) if right else earned.get("accuracy", 0.0)
        return terms["format"] * paid


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _preset(gated: bool, **weights: float) -> Reward:
    return Reward(MappingProxyType(weights), gated)


PRESETS: Mapping[str, Reward] = MappingProxyType(
    {
        # The paper's: its two functions, summed, in [0, 2]. A wrong answer in form is paid
        # as much as a right one out of form.
        "upstream": _preset(gated=False, upstream_accuracy=1.0, upstream_format=1.0),
        "unifer": _preset(gated=True, accuracy=1.0),
        "grounded": _preset(gated=True, accuracy=0.8, consistency=0.1, action_units=0.1),
    }
)

DEFAULT_PRESET = "unifer"


def make_reward(
    preset: str = DEFAULT_PRESET, weights: Mapping[str, float] | None = None, **options: Any
) -> Reward:
    """Returns a preset, with changes.

    Args:
        preset: A key of `PRESETS`.
        weights: Term -> weight, in place of or beside the preset's own.
        **options: `vote_credit`, `free_words`, `most_words`.

    Raises:
        RewardError: There is no such preset, term or option, or a number is out of range.
    """
    if preset not in PRESETS:
        raise RewardError(f"unknown preset {preset!r}; known: {', '.join(PRESETS)}")
    base = PRESETS[preset]
    if not weights and not options:
        return base
    try:
        return replace(base, weights={**base.weights, **(weights or {})}, **options)
    except TypeError as error:
        raise RewardError(f"options of preset {preset!r}: {error}") from None
