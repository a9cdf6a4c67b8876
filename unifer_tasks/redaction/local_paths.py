"""Paths of this machine, taken out of what is published.

Where somebody's files lie tells their name, their employer and how their machines are set up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PureWindowsPath

_NAME = r"""[^\s/\\'"`<>|:;,()\[\]{}]+"""
# Not the slashes of a URL, of a tag that ends, nor those between words.
_START = r"(?<![\w./\\<-])"
_ABSOLUTE = re.compile(
    rf"""{_START}(?:file://)?(?P<quote>['"`])(?:/(?!/)|~[\w-]*/|[A-Za-z]:[\\/]|\\\\)[^'"`]*(?P=quote)"""
    rf"|{_START}(?:file://|~[\w-]*(?=/)|[A-Za-z]:(?=[\\/]))?(?:/(?!/)|\\+){_NAME}(?:[\\/]+{_NAME})*[\\/]*"
)


def file_name(path: str) -> str:
    """Return the last name of a path, of Windows or of other systems."""
    return PureWindowsPath(path).name


def without_local_paths(text: str, folders: Iterable[str | Path] = ()) -> str:
    """Return a text in which no path is absolute.

    Args:
        text: For people.
        folders: Whose names need not end where a path does: what lies below one is named from it
            on. Of any other path the last name is kept.
    """

    def last(match: re.Match[str]) -> str:
        path = match[0].strip("'\"`")
        quote = match["quote"] or ""
        return f"{quote}{file_name(path)}{quote}"

    return _ABSOLUTE.sub(last, without_folders(text, folders))


def without_folders(text: str, folders: Iterable[str | Path]) -> str:
    """Return a text in which what lies below some absolute folders is named from these on."""
    known = {str(folder).rstrip("/\\") for folder in folders} - {""}
    if not any(folder in text for folder in known):
        return text
    longest_first = "|".join(map(re.escape, sorted(known, key=len, reverse=True)))
    below = rf"{_START}(?:file://)?(?P<folder>{longest_first})(?P<more>[/\\]+|(?![\w.-]))"
    return re.sub(below, lambda match: "" if match["more"] else file_name(match["folder"]), text)
