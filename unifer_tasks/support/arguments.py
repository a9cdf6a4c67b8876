"""Options of a model as lmms-eval takes them in a text: `NAME=VALUE,NAME=VALUE`."""

from __future__ import annotations

import json
from collections.abc import Mapping


def split_arguments(text: str) -> list[str]:
    """Split at the commas outside of quotes and brackets, as lmms-eval does."""
    parts, depth, quote, before = [""], 0, "", ""
    for char in text:
        if char in "\"'" and before != "\\":
            quote = char if not quote else "" if char == quote else quote
        elif not quote:
            depth += (char in "{[") - (char in "}]")
            if char == "," and not depth:
                parts.append("")
                before = char
                continue
        parts[-1] += char
        before = char
    return parts


def named_arguments(text: str) -> dict[str, str]:
    """Return the values of such a text by name; of two of one name, the last.

    Raises:
        ValueError: A part has no name.
    """
    pairs = [part.strip().partition("=") for part in split_arguments(text) if part.strip()]
    if not all(equals for _, equals, _ in pairs):
        raise ValueError(f"{text!r} must have the form NAME=VALUE,NAME=VALUE")
    return {name: value for name, _, value in pairs}


def arguments_text(values: Mapping[str, object]) -> str:
    """Return such a text of values by name.

    Raises:
        ValueError: lmms-eval would split a value.
    """
    texts = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in values.items()
    }
    for name, text in texts.items():
        if split_arguments(f"{text},") != [text, ""]:
            raise ValueError(f"cannot hold {name}={text}: lmms-eval splits it at commas")
    return ",".join(f"{name}={text}" for name, text in texts.items())
