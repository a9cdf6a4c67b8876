"""Term: does the response have the form that was asked for?"""

from __future__ import annotations

from unifer_tasks.protocol.answers import has_valid_format


def format_kept(response: str) -> float:
    """Score the form of a response.

    1 for one think block and then one answer block, both with a visible letter or digit, and
    nothing but white space around them; else 0. Stricter than the paper's
    (`upstream.upstream_format`), which more blocks, or text between them, also satisfy.

    Returns:
        0 or 1.
    """
    return float(has_valid_format(response))
