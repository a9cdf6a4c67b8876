"""JSON lines, or a JSON list of objects."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

from unifer_tasks.data.formats.dialects import other_kind
from unifer_tasks.data.formats.rows import Row
from unifer_tasks.support.records import RecordError

_WRITE = "write each row as a JSON object, as `json.dumps` does"


def json_lines(file: BinaryIO) -> Iterator[Row]:
    """Yield the rows of a file with an object a line; blank lines are left out.

    Raises:
        RecordError: The file is one object over several lines.
    """
    for number, line in enumerate(file, start=1):
        line = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        if not line.strip():
            continue
        if number == 1 and line.strip() == b"{":
            raise RecordError(
                _document(file)
                or "is JSON over several lines; write one object a line (`jq -c .`), or a list"
            )
        yield _row("line", number, partial(parse_object, line))


def json_list(file: BinaryIO) -> Iterator[Row]:
    """Yield the rows of a file that is a list of objects.

    Raises:
        RecordError: It is not JSON in UTF-8.
    """
    try:
        items = _JSON.decode(file.read().decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise RecordError("is not UTF-8; save it as UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise RecordError(
            f"is not a JSON list of objects ({error}); write it as `json.dump` does"
        ) from None
    for number, item in enumerate(items, start=1):
        yield _row("item", number, partial(_as_object, item))


def parse_object(line: bytes) -> dict[str, Any]:
    """Return the object that a line of JSON is.

    Raises:
        ValueError: What is wrong with it.
    """
    try:
        value = _JSON.decode(line.decode("utf-8"))
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not JSON ({error})") from None
    return _as_object(value)


@dataclass(frozen=True, slots=True)
class _RepeatedKey:
    """A JSON object that gives a key twice: which value holds, its writer alone knows."""

    key: str


def _as_mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _RepeatedKey:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        return _RepeatedKey(next(key for key in keys if keys.count(key) > 1))
    return found


def _as_number(constant: str) -> float | None:
    # What pandas and numpy have in an empty cell.
    return None if constant == "NaN" else float(constant)


_JSON = json.JSONDecoder(object_pairs_hook=_as_mapping, parse_constant=_as_number)


def _as_object(value: object) -> dict[str, Any]:
    if isinstance(value, _RepeatedKey):
        raise ValueError(f"has the key {value.key!r} twice")
    if not isinstance(value, dict):
        raise ValueError("is not a JSON object")
    return value


def _row(unit: str, number: int, parse: Callable[[], dict[str, Any]]) -> Row:
    try:
        return Row(unit, number, parse())
    except ValueError as error:
        return Row(unit, number, {}, problem=f"{error}; {_WRITE}")


def _document(file: BinaryIO) -> str | None:
    """Say what kind of file a JSON object is that takes the whole file, if it is a known one."""
    file.seek(0)
    with suppress(ValueError, RecursionError):
        return other_kind(_as_object(_JSON.decode(file.read().decode("utf-8-sig"))))
    return None
