"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(
    head: Sequence[object], rows: Iterable[Sequence[object]], numeric: Iterable[int] = ()
) -> str:
    """Writes a table, without a line break at its end.

    Args:
        head: The columns' names.
        rows: Cells, which stand as they are: nothing is escaped.
        numeric: Places of the columns that are set flush right.
    """
    right = set(numeric)
    rules = ["---:" if place in right else "---" for place in range(len(head))]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in (head, rules, *rows))
