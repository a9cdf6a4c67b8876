"""The cost of an API run, estimated before and counted after. Prices are given by the user."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from unifer_tasks.harness.requests.progress import Progress
from unifer_tasks.runner.presets import Price
from unifer_tasks.support.counted import counted

MAX_NEW_TOKENS = 1024
"""The protocol's limit of an answer's length (`ferbench/_template_yaml`)."""

TOKENS_IN = 600
"""Tokens of a request, assumed until some are counted: 130 of text, the rest for the image."""


def most_tokens_out(settings: Mapping[str, Any]) -> int:
    """Return how long an answer may become under an lmms-eval configuration."""
    found = re.findall(r"max_new_tokens\W+(\d+)", str(settings.get("gen_kwargs", "")))
    return int(found[-1]) if found else MAX_NEW_TOKENS


def estimate(price: Price, n_questions: int, most_tokens_out: int, seen: Progress | None) -> str:
    """Describe what asking will cost.

    Args:
        price: Of tokens.
        n_questions: How many are to be asked in all.
        most_tokens_out: The limit of an answer's length.
        seen: What an earlier run counted, which tells the mean; None if there was none.
    """
    if seen and seen.answered and seen.tokens_out:
        left = max(0, n_questions - seen.answered)
        tokens = seen.tokens_in / seen.answered, seen.tokens_out / seen.answered
        cost = price.of(left * tokens[0], left * tokens[1])
        return (
            f"about {cost:,.2f} for {counted(left, 'question')}, after {seen.answered:,} that were "
            "counted"
        )
    cost = price.of(n_questions * TOKENS_IN, n_questions * most_tokens_out)
    return (
        f"at most about {cost:,.2f} for {counted(n_questions, 'question')}, at {TOKENS_IN:,} "
        f"tokens in (assumed) and {most_tokens_out:,} out (the limit); a run with --limit counts "
        "them"
    )


def spent(price: Price, progress: Progress) -> str:
    """Describe what all answers of a run cost, those of earlier starts included."""
    cost = price.of(progress.tokens_in, progress.tokens_out)
    return (
        f"{cost:,.2f} for {progress.tokens_in:,} tokens in and {progress.tokens_out:,} out; "
        "failed requests are not counted"
    )
