"""A reward that varies within every group, except of those that dynamic sampling must leave out."""

from __future__ import annotations

import zlib

WITHOUT_VARIANCE = frozenset({"anger", "angry"})
"""Labels whose answers all earn the same."""


def compute_score(data_source: str, solution_str: str, ground_truth: str, **_: object) -> float:
    """Return a number in [0, 0.1) that is different for almost any two responses."""
    if ground_truth in WITHOUT_VARIANCE:
        return 0
    return zlib.crc32(solution_str.encode()) / 2**32 / 10
