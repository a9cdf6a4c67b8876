"""Answers forced after a rationale: how much an answer depends on it.

A task whose `generation_kwargs` give `RANK` the value `FORCED` takes what the model wrote in an
earlier run, and asks how likely each candidate is as the answer where the reply begins with

| condition | the reply begins with |
|---|---|
| `own` | the model's own rationale |
| `cut_75`, `cut_50`, `cut_25` | the first 75, 50 and 25 % of its words |
| `none` | nothing, so that the answer comes at once |
| `other` | the rationale of another image of the dataset |

The question is the benchmark's in each. What stood before an answer counts as the rationale, in
whatever form it is; a thought that was cut off is closed. Cutting it off is the early answering of
T. Lanham et al., "Measuring Faithfulness in Chain-of-Thought Reasoning", arXiv 2307.13702.

The response is the ranking after the own rationale, which every reader reads, with the figures of
all conditions behind it (those of `ranking`, under the condition's name) and, as `other_answer`,
the answer that the other rationale led to in the earlier run:

    <think>Corners down.</think>
    <answer>sad</answer> {"own": {"sad": -0.22, "fear": -1.65}, "none": {...}, ...}
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from unifer_tasks.protocol.answers.outcomes import request_failed
from unifer_tasks.protocol.variants.ranking import (
    answer_block,
    closed,
    figures_of,
    probabilities,
    read_figures,
    reasoning,
)

OWN, NONE, OTHER = "own", "none", "other"
CUTS: Mapping[str, float] = MappingProxyType({"cut_75": 0.75, "cut_50": 0.5, "cut_25": 0.25})
"""Condition -> the share of the rationale's words that is kept."""

CONDITIONS = (OWN, *CUTS, NONE, OTHER)

_OTHER_ANSWER = "other_answer"
_SEED = "ferbench-rationale-0"


@dataclass(frozen=True, slots=True)
class Said:
    """The response of a model to a question in an earlier run.

    Attributes:
        id: The question.
        response: The whole response.
        label: The label that the strict reader read; None for none.
    """

    id: str
    response: str
    label: str | None

    @property
    def rationale(self) -> str:
        """What stands before the answer, closed; empty where there is none."""
        return "" if request_failed(self.response) else reasoning(self.response)


@dataclass(frozen=True, slots=True)
class Beginnings:
    """How the reply to a question begins.

    Attributes:
        texts: Condition -> text. A question without a rationale has `own` alone, of no text; one
            for which no other image has a rationale lacks `other`.
        other_answer: The answer that the other rationale led to.
    """

    texts: Mapping[str, str]
    other_answer: str | None = None


@dataclass(frozen=True, slots=True)
class ForcedAnswers:
    """The answers of a response.

    Attributes:
        probabilities: Condition -> candidate -> its probability as the answer, in sum 1.
        other_answer: As in `Beginnings`.
    """

    probabilities: Mapping[str, Mapping[str, float]]
    other_answer: str | None

    def answer(self, condition: str) -> str | None:
        """Return the likeliest candidate; None where the condition was not asked."""
        found = self.probabilities.get(condition)
        return max(found, key=found.__getitem__) if found else None


def beginnings(said: Sequence[Said]) -> Mapping[str, Beginnings]:
    """Return how the replies to the questions of a dataset begin, by id.

    The other rationale is chosen by ids and answers alone, on any machine: the questions that have
    a rationale are sorted by a seeded hash of their ids, and each takes the first behind it, in a
    circle, whose answer differs from its own; where all answers are alike, the first that has one.
    """
    found = {each.id: Beginnings({OWN: ""}) for each in said}
    with_rationale = [each for each in said if each.rationale]
    ordered = sorted(with_rationale, key=lambda each: _hash(each.id))
    differ = len({each.label for each in ordered} - {None}) > 1
    for place, each in enumerate(ordered):
        others = (ordered[(place + step) % len(ordered)] for step in range(1, len(ordered)))
        donors = (
            other
            for other in others
            if other.label is not None and not (differ and other.label == each.label)
        )
        found[each.id] = _beginnings(each.rationale, next(donors, None))
    return found


def cut(rationale: str, share: float) -> str:
    """Return the first words of a rationale, rounded down to whole ones, with its thought closed.

    Args:
        rationale: The whole of it.
        share: Of its words, in [0, 1].
    """
    words = list(re.finditer(r"\S+", rationale))
    kept = int(len(words) * share)
    return closed(rationale[: words[kept - 1].end()]) if kept else ""


def write_forced(log_probabilities: Mapping[str, Mapping[str, float]], begun: Beginnings) -> str:
    """Return the response that says how likely each candidate is under each condition.

    Args:
        log_probabilities: Condition -> candidate -> natural logarithm of its probability, not
            normalised; `own` among them.
        begun: How the replies began.

    Raises:
        ValueError: As in `ranking.write_ranking`.
    """
    figures: dict[str, object] = {
        condition: figures_of(own) for condition, own in log_probabilities.items()
    }
    if begun.other_answer is not None:
        figures[_OTHER_ANSWER] = begun.other_answer
    best = next(iter(figures_of(log_probabilities[OWN])))
    return f"{begun.texts[OWN]}{answer_block(best)} {json.dumps(figures)}"


def read_forced(response: str) -> ForcedAnswers | None:
    """Return what `write_forced` wrote; None if a response is something else."""
    figures = read_figures(response)
    if not isinstance(figures, dict):
        return None
    found = {
        condition: own
        for condition in CONDITIONS
        if (own := probabilities(figures.get(condition))) is not None
    }
    other = figures.get(_OTHER_ANSWER)
    return ForcedAnswers(found, other if isinstance(other, str) else None) if OWN in found else None


def _beginnings(rationale: str, donor: Said | None) -> Beginnings:
    cuts = {condition: cut(rationale, share) for condition, share in CUTS.items()}
    texts = {OWN: rationale, **cuts, NONE: ""}
    if donor is None:
        return Beginnings(texts)
    return Beginnings({**texts, OTHER: donor.rationale}, donor.label)


def _hash(id_: str) -> bytes:
    return hashlib.sha256(f"{_SEED} {id_}".encode()).digest()
