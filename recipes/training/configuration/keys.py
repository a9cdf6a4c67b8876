"""Dotted keys of verl's configuration, such as `data.train_files`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Config = Mapping[str, Any]


def has_key(config: Config, key: str) -> bool:
    """Return whether a configuration has a key."""
    node: Any = config
    for name in key.split("."):
        if not isinstance(node, Mapping) or name not in node:
            return False
        node = node[name]
    return True


def value_at(config: Config, key: str) -> Any:
    """Return the value of a key.

    Raises:
        KeyError: The configuration lacks it.
    """
    node: Any = config
    for name in key.split("."):
        node = node[name]
    return node


def all_keys(config: Config, prefix: str = "") -> Iterator[str]:
    """Yield every key of a configuration, those of groups included."""
    for name, value in config.items():
        if name != "_target_":
            yield f"{prefix}{name}"
            if isinstance(value, Mapping):
                yield from all_keys(value, f"{prefix}{name}.")
