"""How the build in a folder differs from the requested one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from data_prep.support.errors import PreparationError

_DIGESTS: Mapping[str, str] = {
    "examined": "the sources' files, sizes or times changed (a copy keeps them: cp -a)",
    "questions_xxh3": "the questions, or the files of their images, changed",
    "questions_sha256": "other questions",
}
"""Key of a recipe -> what a different value means to the user."""


def require_same(out: Path, held: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Check that a folder holds the requested build.

    Raises:
        PreparationError: It holds another; the message tells how, without lists and digests.
    """
    if difference := ", ".join(_changes(held, asked)):
        raise PreparationError(
            f"{out} holds another build: {difference}; choose another folder or remove this one"
        )


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
