"""Keys and tokens of the environment, kept out of what is written."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

_NAMED_SO = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD)S?$", re.IGNORECASE)
_SHORTEST = 8
"""Characters; shorter values ("unused", "none") are words that a text may hold by itself."""


def redact(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """Replaces every secret of the environment by the name of its variable in brackets.

    A secret is the value of a variable whose name ends in KEY, TOKEN, SECRET or PASSWORD.
    """
    for name, value in environment.items():
        if len(value) >= _SHORTEST and _NAMED_SO.search(name):
            text = text.replace(value, f"[{name}]")
    return text
