"""Markdown: tables, lists, code and a card's header, in which foreign texts stay texts.

What is given as `str` is shown as it is, whatever marks it holds; `Markdown` is written as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence

from unifer_tasks.redaction.characters import UNSEEN, one_line

# Between letters or digits an underscore marks nothing.
_MARKS = re.compile(r"[\\`*{}\[\]<>|#~&$]|(?<![^\W_])_|_(?![^\W_])")
_ITEM = re.compile(r"[-+]|\d{1,9}(?=[.)])")
_NOT_YAML = re.compile(f"{UNSEEN.pattern}|[\ufffe\uffff]")


class Markdown(str):
    """Text that is Markdown already."""

    __slots__ = ()


def escape(text: object) -> Markdown:
    """Show a text as it is, in one line: it makes no link, column, tag or line of its own."""
    if isinstance(text, Markdown):
        return text
    return Markdown(_MARKS.sub(r"\\\g<0>", one_line(str(text))))


def code(text: object) -> Markdown:
    """Show a text as code, in one line, in a table as elsewhere."""
    line = one_line(str(text))
    # Between backticks nothing is escaped, and a pipe ends a table's cell even there.
    is_plain = line and not set(line) & set("`|\\")
    return Markdown(f"`{line}`" if is_plain else f"<code>{escape(line)}</code>")


def bullets(items: Iterable[object]) -> Markdown:
    """Write a list, without a line break at its end."""
    return Markdown("\n".join(f"* {_item(escape(item))}" for item in items))


def table(
    head: Sequence[object], rows: Iterable[Sequence[object]], numeric: Iterable[int] = ()
) -> Markdown:
    """Write a table, without a line break at its end.

    Args:
        head: The columns' names.
        rows: Cells.
        numeric: Places of the columns that are set flush right.
    """
    right = set(numeric)
    rules = [Markdown("---:" if place in right else "---") for place in range(len(head))]
    return Markdown(
        "\n".join(f"| {' | '.join(map(escape, row))} |" for row in (head, rules, *rows))
    )


CARD_NAME = "README.md"
"""The file that a model hub and a data hub show as a folder's card."""


def front_matter(fields: Mapping[str, object]) -> Markdown:
    """Write the header of a card as YAML, without a line break at its end.

    Args:
        fields: Name -> a value that JSON can hold. JSON is YAML, and needs no library to be
            written right.
    """

    def yaml(value: object) -> str:
        text = json.dumps(value, ensure_ascii=False)
        return _NOT_YAML.sub(lambda match: f"\\u{ord(match[0]):04x}", text)

    lines = (f"{key}: {yaml(value)}" for key, value in fields.items())
    return Markdown("\n".join(("---", *lines, "---")))


def _item(text: str) -> str:
    """Keep a text from being a list within the list."""
    found = _ITEM.match(text)
    if found is None:
        return text
    return f"{found[0]}\\{text[found.end() :]}" if found[0].isdigit() else f"\\{text}"
