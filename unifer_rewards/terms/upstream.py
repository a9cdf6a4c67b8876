"""The paper's two terms, as its training script has them (zfkarl/UniFER, `grpo.py`).

Both run in linear time; its patterns do not.
"""

from __future__ import annotations

from unifer_tasks.protocol.answers import has_upstream_format, upstream_answer


def upstream_accuracy(response: str, solution: str) -> float:
    """Score whether the answer is the solution, letter by letter.

    1 if the first `<answer>` block of the response (the whole response where there is none),
    stripped, is the solution's; else 0. Case counts, and so does a synonym or a full stop.

    Args:
        response: The model's whole output.
        solution: The true label, bare or in an answer block of its own.

    Returns:
        0 or 1.
    """
    return float(upstream_answer(response) == upstream_answer(solution))


def upstream_format(response: str) -> float:
    r"""Score whether the whole response is a think block followed by an answer block.

    1 if `<think>.*?</think>\s*<answer>.*?</answer>` with a dot for any character matches all
    of it; else 0. White space around the response breaks it, further blocks inside do not.

    Returns:
        0 or 1.
    """
    return float(has_upstream_format(response))
