"""Term: does the response have the form that was asked for?"""

from __future__ import annotations

from unifer_tasks.protocol.formats import REASONED, ResponseFormat


def format_kept(response: str, asked: ResponseFormat = REASONED) -> float:
    """Score the form of a response.

    1 for one block of each kind that was asked for, in that order, each with a visible letter or
    digit, and nothing but white space around them; else 0. For a think block and then an answer
    block that is stricter than the paper's (`upstream.upstream_format`), which more blocks, or
    text between them, also satisfy.

    Args:
        response: The model's whole output.
        asked: The format that the question asks for.

    Returns:
        0 or 1.
    """
    return float(asked.is_kept(response))
