"""The record of a run as others may read it: beside a merged model, which may go to a hub."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from recipes.training.runs.record import DataFile, Record, lineage
from unifer_tasks.redaction.local_paths import file_name, without_local_paths
from unifer_tasks.redaction.secrets import map_texts

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_PLACE = re.compile(r"(?:^|_)(?:path|dir|files?)$")
"""Names of settings whose values are files or folders."""


def published(record: Record) -> Record:
    """Return a record without the paths of this machine, and with the runs before it."""
    run, *earlier = map(_without_places, lineage(record))
    return replace(run, earlier=tuple(earlier))


def shown(place: str) -> str:
    """Return a hub id or the name of a package as it is, and of a file or folder its last name."""
    return place if is_public(place) else file_name(place)


def is_public(place: str) -> bool:
    """Return whether others can find it: on the hub, or in an installed package."""
    is_name = bool(_HUB_ID.fullmatch(place)) or place.startswith("pkg://")
    return is_name and not Path(place).exists()


def _without_places(run: Record) -> Record:
    names = _distinct_names(file.path for files in run.data.values() for file in files)
    data = {
        part: tuple(
            replace(file, path=names[file.path], manifest=_manifest(file)) for file in files
        )
        for part, files in run.data.items()
    }
    config = _clean(run.config)
    # `Record.rows_read` looks the rows of a part up by these.
    config["data"] |= {
        f"{part}_files": [file.path for file in files] for part, files in data.items()
    }
    return replace(run, overrides=tuple(map(_override, run.overrides)), config=config, data=data)


def _distinct_names(paths: Iterable[str]) -> dict[str, str]:
    """Return path -> its last name, with a number before it where another path has the same."""
    names: dict[str, str] = {}
    for path in dict.fromkeys(paths):
        name = file_name(path)
        names[path] = f"{len(names)}/{name}" if name in names.values() else name
    return names


def _manifest(file: DataFile) -> Mapping[str, Any] | None:
    if file.manifest is None:
        return None
    roots = file.manifest["roots"]
    return map_texts(
        # As in rows that are published.
        {**file.manifest, "roots": {source: source for source in roots}},
        lambda text: without_local_paths(text, [*roots.values(), Path.cwd(), Path.home()]),
    )


def _override(text: str) -> str:
    key, equals, value = text.partition("=")
    return f"{key}{equals}{_clean(value, key)}"


def _clean(value: Any, key: str = "") -> Any:
    """Return a setting in which no text names a place of this machine."""
    if isinstance(value, Mapping):
        return {name: _clean(inner, name) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(inner, key) for inner in value]
    if not isinstance(value, str):
        return value
    if _PLACE.search(key.rpartition(".")[2]) and not value.startswith("["):
        return shown(value.strip("'\"")) if key.endswith("path") else file_name(value)
    return without_local_paths(value, [Path.cwd(), Path.home()])
