"""The table of terms, the presets that weigh them, and how a reward is computed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

from unifer_rewards.rows import Target
from unifer_rewards.terms.accuracy import accuracy
from unifer_rewards.terms.action_units import action_units
from unifer_rewards.terms.brevity import FREE_WORDS, MOST_WORDS, brevity
from unifer_rewards.terms.consistency import consistency
from unifer_rewards.terms.evidence import evidence
from unifer_rewards.terms.upstream import upstream_accuracy, upstream_format
from unifer_tasks.protocol.answers.formats import FORMATS, REASONED
from unifer_tasks.protocol.answers.strict import Answer
from unifer_tasks.rationale.reasoning import Argument
from unifer_tasks.rationale.repetition import repetition

ALL = "all"
"""Value of `logged` that logs every term."""


@dataclass
class Response:
    """The input of a term.

    Attributes:
        text: The model's whole output.
        answer: The answer in the requested format (`answers.read_literal`).
        target: What the response is scored against.
        words: Its words, by `repetition.lower_words`.
        in_format: Whether it has the requested format and nothing else (`has_valid_format`).
    """

    text: str
    answer: Answer
    target: Target
    words: Sequence[str]
    in_format: bool

    @cached_property
    def evidence(self) -> Argument:
        """The content of the rationale that counts for a bonus."""
        return evidence(self.answer.rationale, self.words)


TERMS: Mapping[str, Callable[[Response, Reward], float]] = MappingProxyType(
    {
        "accuracy": lambda response, reward: accuracy(
            response.answer, response.target.label, response.target.votes, reward.vote_credit
        ),
        "format": lambda response, _: float(response.in_format),
        "consistency": lambda response, _: consistency(response.answer, response.evidence),
        "action_units": lambda response, _: action_units(
            response.answer, response.target.label, response.evidence
        ),
        "brevity": lambda response, reward: brevity(
            len(response.words), reward.free_words, reward.most_words
        ),
        "repetition": lambda response, _: repetition(response.words),
        "upstream_accuracy": lambda response, _: upstream_accuracy(
            response.text, response.target.solution
        ),
        "upstream_format": lambda response, _: upstream_format(response.text),
    }
)
"""Name -> term, each in [0, 1], higher is better. Weights, logs and checks follow from it."""


class RewardError(ValueError):
    """An invalid reward: an unknown preset, term or option, or a number out of range."""


@dataclass(frozen=True)
class Reward:
    """A weighted sum of terms.

    Ungated: the sum of weight * term. Gated: format * (the accuracy's share of that sum, plus the
    rest of it if the answer is right). So a wrong answer earns at most its vote share, and a
    response out of format earns nothing.

    Attributes:
        weights: Term -> weight, non-negative; missing terms have weight 0.
        gated: Whether the other terms count only in format and with the right answer.
        vote_credit: See `accuracy.accuracy`.
        free_words: See `brevity.brevity`.
        most_words: Likewise.
        logged: Terms that are logged even without a weight.
        response_format: The format that the question requests, a key of `formats.FORMATS`.

    Raises:
        RewardError: A term is unknown, a weight is not a non-negative number, all weights are 0,
            or another number is out of range.
    """

    weights: Mapping[str, float]
    gated: bool = True
    vote_credit: float = 0.0
    free_words: int = FREE_WORDS
    most_words: int = MOST_WORDS
    logged: tuple[str, ...] = ()
    response_format: str = REASONED.key

    def __post_init__(self) -> None:
        unknown = sorted(set(map(str, (*self.weights, *self.logged))) - TERMS.keys())
        if unknown:
            raise RewardError(f"unknown terms {', '.join(unknown)}; known: {', '.join(TERMS)}")
        for term, weight in self.weights.items():
            if not _is_number(weight) or not 0 <= weight < math.inf:
                raise RewardError(f"weight of {term} must be a non-negative number, got {weight!r}")
        if self.response_format not in FORMATS:
            raise RewardError(
                f"unknown response_format {self.response_format!r}; known: {', '.join(FORMATS)}"
            )
        if not self.maximum:
            raise RewardError("at least one term must have a positive weight")
        if not _is_number(self.vote_credit) or not 0 <= self.vote_credit <= 1:
            raise RewardError(f"vote_credit must be in [0, 1], got {self.vote_credit!r}")
        words = (self.free_words, self.most_words)
        if not all(map(_is_number, words)) or not 0 <= words[0] < words[1]:
            raise RewardError(
                f"needs 0 <= free_words < most_words, got {words[0]!r} and {words[1]!r}"
            )

    @property
    def maximum(self) -> float:
        """The reward of a response that is perfect in every term."""
        return math.fsum(self.weights.values())

    @cached_property
    def computed(self) -> tuple[str, ...]:
        """The terms to compute: those that count, and those to log."""
        wanted = {*self.weights, *self.logged, *(("format",) if self.gated else ())}
        return tuple(term for term in TERMS if term in wanted)

    def terms(self, response: Response) -> dict[str, float]:
        """Return the value of each computed term."""
        return {term: TERMS[term](response, self) for term in self.computed}

    def total(self, terms: Mapping[str, float], *, right: bool) -> float:
        """Return the reward for the values of the terms.

        Args:
            terms: The value of each computed term.
            right: Whether the answer is the true label.

        Returns:
            The reward, in [0, `maximum`].
        """
        if self.gated and not right:
            earned = self.weights.get("accuracy", 0.0) * terms.get("accuracy", 0.0)
        else:
            earned = math.fsum([weight * terms[term] for term, weight in self.weights.items()])
        return terms["format"] * earned if self.gated else earned


def _term_names(logged: str | Iterable[str]) -> tuple[str, ...]:
    if logged == ALL:
        return tuple(TERMS)
    if isinstance(logged, str) or not isinstance(logged, Iterable):
        raise RewardError(f"logged must be a list of terms or {ALL!r}, got {logged!r}")
    return tuple(map(str, logged))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _preset(gated: bool, **weights: float) -> Reward:
    return Reward(MappingProxyType(weights), gated)


PRESETS: Mapping[str, Reward] = MappingProxyType(
    {
        # The sum of the paper's two functions, in [0, 2]. A wrong answer in format earns as much
        # as a right one out of format.
        "upstream": _preset(gated=False, upstream_accuracy=1.0, upstream_format=1.0),
        "unifer": _preset(gated=True, accuracy=1.0),
        "grounded": _preset(gated=True, accuracy=0.8, consistency=0.1, action_units=0.1),
    }
)

DEFAULT_PRESET = "unifer"


def make_reward(
    preset: str = DEFAULT_PRESET, weights: Mapping[str, float] | None = None, **options: Any
) -> Reward:
    """Return a preset with overrides.

    Args:
        preset: A key of `PRESETS`.
        weights: Term -> weight; overrides or extends those of the preset.
        **options: `vote_credit`, `free_words`, `most_words`, `response_format`; and `logged`, the
            terms to log even without a weight, or "all".

    Raises:
        RewardError: The preset, a term or an option is unknown, or a number is out of range.
    """
    if preset not in PRESETS:
        raise RewardError(f"unknown preset {preset!r}; known: {', '.join(PRESETS)}")
    base = PRESETS[preset]
    if not weights and not options:
        return base
    if "logged" in options:
        options["logged"] = _term_names(options["logged"])
    try:
        return replace(base, weights={**base.weights, **(weights or {})}, **options)
    except TypeError as error:
        raise RewardError(f"options of preset {preset!r}: {error}") from None
