"""Terms: the two of the paper, as in its training script (zfkarl/UniFER, `grpo.py`).

Unlike its patterns, both run in linear time.
"""

from __future__ import annotations

from unifer_tasks.protocol.answers.upstream import has_upstream_format, upstream_answer


def upstream_accuracy(response: str, solution: str) -> float:
    """Score whether the answer is exactly the solution.

    1 if the first `<answer>` block of the response (the whole response where there is none),
    stripped, equals that of the solution; else 0. Case, synonyms and punctuation matter.

    Args:
        response: The model's whole output.
        solution: The true label, bare or in an answer block of its own.

    Returns:
        0 or 1.
    """
    return float(upstream_answer(response) == upstream_answer(solution))


def upstream_format(response: str) -> float:
    r"""Score whether the whole response is a think block followed by an answer block.

    1 if `<think>.*?</think>\s*<answer>.*?</answer>`, with a dot that matches any character, matches
    the whole response; else 0. White space around the response breaks it, further blocks inside
    do not.

    Returns:
        0 or 1.
    """
    return float(has_upstream_format(response))
