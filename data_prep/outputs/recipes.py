"""How the build in a folder differs from the requested one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_DIGESTS: Mapping[str, str] = {
    "examined": "the sources' files, sizes or times changed (a copy keeps them: cp -a)",
    "questions_xxh3": "the questions, or the files of their images, changed",
    "questions_sha256": "other questions",
}
"""Key of a recipe -> what a different value means to the user."""


def changes(held: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    """Describe how two recipes differ, without their lists and digests."""
    return ", ".join(_changes(held, asked))


def _changes(held: Mapping[str, Any], asked: Mapping[str, Any]) -> Iterator[str]:
    for key in dict.fromkeys((*held, *asked)):
        was, now = held.get(key), asked.get(key)
        if was == now:
            continue
        if key in _DIGESTS:
            yield _DIGESTS[key]
        elif isinstance(was, Mapping) and isinstance(now, Mapping):
            yield from (f"{key}: {change}" for change in _changes(was, now))
        elif isinstance(was, Mapping) or isinstance(now, Mapping):
            yield f"{key} is {'new' if was is None else 'left out' if now is None else 'another'}"
        elif isinstance(was, list) or isinstance(now, list):
            yield f"other {key}"
        else:
            yield f"{key} was {_shown(was)}, is {_shown(now)}"


def _shown(value: object) -> object:
    return "not given" if value is None else value
