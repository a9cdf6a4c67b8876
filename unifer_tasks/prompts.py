"""The one question that FERBench asks, and the answer format that it asks for.

Benchmark, reward and training rows all take their text from here. The wording is that of the
published question files (zfkarl/UniFER, `eval_*/data/*_qa.json`), byte for byte; a test
compares it with every row of them.
"""

from __future__ import annotations

from collections.abc import Sequence

THINK_TAG = "think"
ANSWER_TAG = "answer"

_QUESTION = (
    "As an expert in facial expression recognition, which expression is most prominent in "
    "this image? Please select your answer from the following candidate labels: {labels}. "
    "Provide your detailed reasoning between the <think></think> tags, and then give your "
    "final answer between the <answer></answer> tags."
)


def question(labels: Sequence[str]) -> str:
    """Returns the benchmark's question over the given candidate labels.

    Args:
        labels: Candidate labels in the order in which they are to be listed.

    Raises:
        ValueError: There is no candidate label.
    """
    if not labels:
        raise ValueError("a question needs at least one candidate label")
    return _QUESTION.format(labels=", ".join(labels))


def response(rationale: str, label: str) -> str:
    """Returns a response in the format that the question asks for."""
    return f"<{THINK_TAG}>{rationale}</{THINK_TAG}>\n<{ANSWER_TAG}>{label}</{ANSWER_TAG}>"
