"""The one question that FERBench asks, and the answer format that it asks for.

Benchmark, reward and training rows all take their text from here. The wording is that of the
published question files (zfkarl/UniFER, `eval_*/data/*_qa.json`), byte for byte; a test
compares it with every row of them. The questions of variants keep its sentences as far as they can.
"""

from __future__ import annotations

from collections.abc import Sequence

from unifer_tasks.protocol.action_units import AU_SIGNS, PROTOTYPES
from unifer_tasks.protocol.labels import canonical

THINK_TAG = "think"
ANSWER_TAG = "answer"

STEM = (
    "As an expert in facial expression recognition, which expression is most prominent in "
    "this image?"
)
"""The question's first sentence, for hosts that list the candidates in their own way."""

_CANDIDATES = "Please select your answer from the following candidate labels: {labels}."
_REASONED = (
    "Provide your detailed reasoning between the <think></think> tags, and then give your "
    "final answer between the <answer></answer> tags."
)
_ANSWER_FIRST = (
    "Give your final answer between the <answer></answer> tags, and then provide your detailed "
    "reasoning between the <think></think> tags."
)
_DIRECT = (
    "Give only your final answer between the <answer></answer> tags, without any reasoning or "
    "explanation."
)


def question(labels: Sequence[str]) -> str:
    """Return the benchmark's question over the given candidate labels.

    Args:
        labels: Candidate labels in the order in which they are to be listed.

    Raises:
        ValueError: There is no candidate label.
    """
    return _question(labels, _REASONED)


def direct_question(labels: Sequence[str]) -> str:
    """Return the question with its last sentence turned round: the answer alone."""
    return _question(labels, _DIRECT)


def answer_first_question(labels: Sequence[str]) -> str:
    """Return the question with its last sentence in the other order: answer, then reasoning."""
    return _question(labels, _ANSWER_FIRST)


def described_question(labels: Sequence[str]) -> str:
    """Return the question, and below it a line for each candidate: what its face looks like.

    Args:
        labels: Candidate labels of any dataset, in the order in which they are to be listed.

    Raises:
        ValueError: There is no candidate label.
        KeyError: One is the label of no dataset.
    """
    lines = "\n".join(f"- {label}: {describe(label)}" for label in labels)
    return f"{question(labels)}\n\nTypical facial signs of each candidate label:\n{lines}"


def describe(label: str) -> str:
    """Return the signs of an expression's prototype in words (`action_units.PROTOTYPES`).

    Raises:
        KeyError: It is the label of no dataset.
    """
    name = canonical(label)
    signs = ", ".join(AU_SIGNS[unit] for unit in PROTOTYPES[name])
    if name == "contempt":
        return f"{signs}, on one side of the face only"
    return signs or "a relaxed face without any of these signs"


def _question(labels: Sequence[str], request: str) -> str:
    if not labels:
        raise ValueError("a question needs at least one candidate label")
    return " ".join((STEM, _CANDIDATES.format(labels=", ".join(labels)), request))


def listed_labels(text: str) -> tuple[str, ...]:
    """Read the candidate labels off a text that holds a question, the inverse of `question`.

    Args:
        text: A prompt, with whatever a chat template put around the question.

    Raises:
        ValueError: It holds no question of this module.
    """
    opening, closing = _CANDIDATES.split("{labels}")
    _, opened, rest = text.partition(opening)
    labels, closed, _ = rest.partition(closing)
    if not (opened and closed):
        raise ValueError(f"no question that lists its candidates in {text[:200]!r}")
    return tuple(labels.split(", "))


def response(rationale: str, label: str) -> str:
    """Return a response in the format that the question asks for."""
    return f"<{THINK_TAG}>{rationale}</{THINK_TAG}>\n<{ANSWER_TAG}>{label}</{ANSWER_TAG}>"
