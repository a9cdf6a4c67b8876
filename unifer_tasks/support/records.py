"""Files that others wrote, read as dataclasses: every field is of the type that it declares.

A file goes through two steps. `read_text`, `read_json` or `read_toml` gives its content, and
`record` makes a dataclass of that. What is wrong is said once, with the place in the file and
what belongs there; the reader of a kind of file adds its path and the remedy.
"""

from __future__ import annotations

import json
import math
import stat
import tomllib
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from unifer_tasks.support.nearest import did_you_mean

T = TypeVar("T")

_LARGEST = 2**63 - 1

_SHOWN = 60
"""Characters of a wrong value that a message shows."""


class FileError(Exception):
    """A file cannot be used; the message names it, says why, and what to do."""


class RecordError(ValueError):
    """A file is not what it should be; the message says where in it, and what belongs there."""


def require_file(path: Path) -> None:
    """Check that a path is a regular file: a pipe would be waited for, a device never ends.

    Raises:
        RecordError: It is something else.
        OSError: There is nothing.
    """
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise RecordError("is a directory, not a file")
    if not stat.S_ISREG(mode):
        raise RecordError("is a pipe or a device, not a regular file")


def read_text(path: Path) -> str:
    """Return the text of a regular file.

    Raises:
        RecordError: It is another kind of file, or not UTF-8.
        OSError: It cannot be read.
    """
    require_file(path)
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecordError(f"is not UTF-8 (at byte {error.start:,}); save it as UTF-8") from None


def read_json(path: Path) -> object:
    """Return the content of a JSON file.

    Raises:
        RecordError: It is not JSON, or nested too deeply.
        OSError: It cannot be read.
    """
    return parse_json(read_text(path))


def parse_json(text: str | bytes) -> object:
    """Return what a JSON text says.

    Raises:
        RecordError: It is not JSON, or nested too deeply.
    """
    try:
        return cast("object", json.loads(text))
    except UnicodeDecodeError:
        raise RecordError("is not UTF-8; save it as UTF-8") from None
    except ValueError as error:
        raise RecordError(f"is not JSON ({error})") from None
    except RecursionError:
        raise RecordError("is nested too deeply") from None


def read_toml(path: Path) -> Mapping[str, Any]:
    """Return the content of a TOML file.

    Raises:
        RecordError: It is not TOML, or nested too deeply.
        OSError: It cannot be read.
    """
    text = read_text(path)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecordError(f"is not TOML ({error})") from None
    except RecursionError:
        raise RecordError("is nested too deeply") from None


def record(kind: type[T], value: object, *, closed: bool = False) -> T:
    """Return what a file holds as the dataclass that declares its fields.

    A field is a text, an integer, a number, a truth value, None, a union of these, a
    dataclass, a `Mapping` from texts, a tuple of any length, or `Any`. Its key in the file is
    its name, or the "key" in its metadata. A dataclass may check itself in `__post_init__`
    and raise ValueError.

    Args:
        kind: A dataclass.
        value: The content of the file.
        closed: Refuse keys that no field has; they are ignored otherwise.

    Raises:
        RecordError: A field is absent or of another type, a number is not finite, or a text has
            half a surrogate pair.
    """
    try:
        return cast("T", _converted(kind, value, (), closed=closed))
    except RecursionError:
        raise RecordError("is nested too deeply") from None


class _Field(NamedTuple):
    key: str
    kind: Any
    required: bool


@cache
def _fields(kind: type) -> Mapping[str, _Field]:
    hints = get_type_hints(kind)
    return {
        each.name: _Field(
            each.metadata.get("key", each.name),
            hints[each.name],
            each.default is MISSING and each.default_factory is MISSING,
        )
        for each in fields(cast("Any", kind))
        if each.init
    }


Place = tuple[str, ...]


def _converted(kind: Any, value: object, place: Place, *, closed: bool) -> object:
    if is_dataclass(kind):
        return _dataclass(cast("type", kind), value, place, closed=closed)
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _union(get_args(kind), value, place, closed=closed)
    if origin is tuple and isinstance(value, Sequence) and not isinstance(value, str):
        each, _ = get_args(kind)
        return tuple(
            _converted(each, part, (*place, str(number)), closed=closed)
            for number, part in enumerate(value)
        )
    if origin is not None and origin is not tuple and isinstance(value, Mapping):
        _, each = get_args(kind)
        return {
            _converted(str, key, place, closed=closed): _converted(
                each, part, (*place, str(key)), closed=closed
            )
            for key, part in value.items()
        }
    return _plain(kind, value, place)


def _dataclass(kind: type, value: object, place: Place, *, closed: bool) -> object:
    if not isinstance(value, Mapping):
        raise _wrong(kind, value, place)
    known = _fields(kind)
    keys = {field.key for field in known.values()}
    if closed and (unknown := [key for key in value if key not in keys]):
        near = did_you_mean(str(unknown[0]), keys) or f"; it takes {', '.join(sorted(keys))}"
        raise RecordError(f"{_at(place)}has the unknown key {str(unknown[0])!r}{near}")
    given = {}
    for name, (key, of, required) in known.items():
        if key in value:
            given[name] = _converted(of, value[key], (*place, key), closed=closed)
        elif required:
            raise RecordError(f"{_at(place)}lacks `{key}`")
    try:
        return kind(**given)
    except RecordError:
        raise
    except ValueError as error:
        raise RecordError(f"{_at(place)}{error}") from None


def _union(kinds: tuple[Any, ...], value: object, place: Place, *, closed: bool) -> object:
    for kind in kinds:
        if _fits(kind, value):
            return _converted(kind, value, place, closed=closed)
    raise RecordError(f"{_at(place)}must be {' or '.join(map(_title, kinds))}, got {_shown(value)}")


def _plain(kind: Any, value: object, place: Place) -> object:
    if kind is Any or kind is object:
        return value
    if not _fits(kind, value):
        raise _wrong(kind, value, place)
    if isinstance(value, float) and not math.isfinite(value):
        raise RecordError(f"{_at(place)}must be a finite number, got {value}")
    if isinstance(value, int) and abs(value) > _LARGEST:
        raise RecordError(f"{_at(place)}is a number of more than 64 bits")
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise RecordError(
                f"{_at(place)}has half a surrogate pair, which is not a character: {_shown(value)}"
            ) from None
    return value


def _fits(kind: Any, value: object) -> bool:
    """Return whether a value is of a kind, without a look into what it contains."""
    if kind is Any or kind is object:
        return True
    if is_dataclass(kind):
        return isinstance(value, Mapping)
    origin = get_origin(kind)
    if origin is tuple:
        return isinstance(value, Sequence) and not isinstance(value, str)
    if origin is not None:
        return isinstance(value, Mapping)
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, int | float if kind is float else kind)


_TITLES: Mapping[Any, str] = {
    str: "a text",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}


def _title(kind: Any) -> str:
    if is_dataclass(kind):
        return "an object"
    origin = get_origin(kind)
    if origin is tuple:
        return "a list"
    return "an object" if origin is not None else _TITLES[kind]


def _wrong(kind: Any, value: object, place: Place) -> RecordError:
    return RecordError(f"{_at(place)}must be {_title(kind)}, got {_shown(value)}")


def _shown(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _at(place: Place) -> str:
    return f"`{'.'.join(place)}` " if place else ""
