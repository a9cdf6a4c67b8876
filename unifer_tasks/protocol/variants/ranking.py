"""Candidates ranked by likelihood: how the question is put to a model, and what it responds.

A task whose `generation_kwargs` hold `RANK` asks for how likely each candidate is as the answer,
at once (`DIRECT`), after the reasoning that the model writes first (`REASONED`), or after that of
an earlier run (`FORCED`, see `variants.forced`). Whatever runs
tasks knows responses of text alone, so the ranking is one: the reasoning, an answer block with the
likeliest label, which every reader reads, and behind it the natural logarithm of every candidate's
probability as JSON, the likeliest first:

    <think>Corners down.</think>
    <answer>sad</answer> {"sad": -0.22, "fear": -1.65}

The figures are those of the whole answer block, given all that stands before it; `read_ranking`
normalises them over the candidates.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import exp, isfinite

from unifer_tasks.protocol.prompts import ANSWER_TAG, THINK_TAG

RANK = "rank_candidates"
"""The key of `generation_kwargs`, and its values."""

DIRECT = "direct"
REASONED = "reasoned"
FORCED = "forced"

_DIGITS = 6


def answer_block(label: str) -> str:
    """Return the text whose likelihood counts as the label's.

    Its closing tag ends the word, so that no label is the beginning of another.
    """
    return f"<{ANSWER_TAG}>{label}</{ANSWER_TAG}>"


def reasoning(response: str) -> str:
    """Return what a response says before its last answer, to be followed by another answer.

    A response without an answer counts as a whole; a thought that was cut off is closed.
    """
    before, opened, after = response.rpartition(f"<{ANSWER_TAG}>")
    return closed(before if opened else after)


def closed(reasoning: str) -> str:
    """Return reasoning that an answer block can follow: its thought is closed, its line ended."""
    text = reasoning.rstrip()
    if text.count(f"<{THINK_TAG}>") > text.count(f"</{THINK_TAG}>"):
        text += f"</{THINK_TAG}>"
    return f"{text}\n" if text else ""


def write_ranking(log_probabilities: Mapping[str, float], begun: str = "") -> str:
    """Return the response that says how likely each candidate is; of equal ones the first wins.

    Args:
        log_probabilities: Candidate -> natural logarithm of its probability, not normalised.
        begun: What stands before the answer.

    Raises:
        ValueError: There is no candidate, or a figure is not finite.
    """
    figures = figures_of(log_probabilities)
    return f"{begun}{answer_block(next(iter(figures)))} {json.dumps(figures)}"


def figures_of(log_probabilities: Mapping[str, float]) -> dict[str, float]:
    """Return what a response holds of some candidates, the likeliest first.

    Raises:
        ValueError: As in `write_ranking`.
    """
    if not log_probabilities or not all(map(isfinite, log_probabilities.values())):
        raise ValueError(f"a ranking needs finite figures, got {dict(log_probabilities)}")
    ranked = sorted(log_probabilities.items(), key=lambda pair: -pair[1])
    return {label: round(figure, _DIGITS) for label, figure in ranked}


def read_ranking(response: str) -> Mapping[str, float] | None:
    """Return the probability of each candidate, in sum 1; None if a response is no ranking."""
    return probabilities(read_figures(response))


def read_figures(response: str) -> object:
    """Return the JSON behind the last answer block of a response; None if there is none."""
    _, closing, rest = response.rpartition(f"</{ANSWER_TAG}> ")
    try:
        return json.loads(rest) if closing else None
    except (ValueError, RecursionError):
        return None


def without_figures(response: str) -> str:
    """Return a response less the figures behind its last answer block, which no model wrote."""
    if not isinstance(read_figures(response), dict):
        return response
    before, closing, _ = response.rpartition(f"</{ANSWER_TAG}> ")
    return before + closing.rstrip()


def probabilities(figures: object) -> Mapping[str, float] | None:
    """Return the probability of each candidate, in sum 1; None if these are not its figures."""
    if not isinstance(figures, dict) or not figures:
        return None
    if not all(type(figure) in (int, float) and isfinite(figure) for figure in figures.values()):
        return None
    highest = max(figures.values())
    weights = {label: exp(figure - highest) for label, figure in figures.items()}
    total = sum(weights.values())
    return {label: weight / total for label, weight in weights.items()}
