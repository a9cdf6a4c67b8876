"""The name that a misspelt one was probably meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_MOST = 3


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean X?`, or nothing if no known name is like this one."""
    spelt = {each.lower(): each for each in known}
    lower = name.lower()
    near = difflib.get_close_matches(lower, spelt, n=_MOST, cutoff=0.6)
    if not near:
        # The part that distinguishes it: "sfew" of "ferbench_sfew".
        near = sorted((each for each in spelt if each.endswith(f"_{lower}")), key=len)[:_MOST]
    return f"; did you mean {' or '.join(spelt[match] for match in near)}?" if near else ""
