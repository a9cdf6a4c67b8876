"""The columns of a table, named in its header, and the cells of its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from unifer_tasks.data.formats.dialects import VLMEVALKIT, is_of_vlmevalkit
from unifer_tasks.data.formats.rows import COLUMNS, Row
from unifer_tasks.support.counted import counted
from unifer_tasks.support.records import RecordError


@dataclass(frozen=True, slots=True)
class Header:
    """The first row of a table of predictions.

    Attributes:
        keys: The columns in order, without case or surrounding space.
        spelled: Column -> its name in the file.
    """

    keys: tuple[str, ...]
    spelled: Mapping[str, str]

    @classmethod
    def of(cls, cells: Sequence[object]) -> Header:
        """Return the header that cells are.

        Raises:
            RecordError: They are not the columns of a prediction file.
        """
        names = [_text(cell).strip() for cell in cells]
        keys = tuple(map(key_of, names))
        for key in COLUMNS:
            same = [name for name in names if key_of(name) == key]
            if len(same) > 1:
                raise RecordError(
                    f"has the column `{key}` twice, as {' and '.join(f'`{n}`' for n in same)}; "
                    "rename or remove one"
                )
        answers = {"response", "label", "error"} & {*keys}
        if {"dataset", "id"} <= {*keys} and (
            ("target" in keys and answers) or {*keys} >= VLMEVALKIT
        ):
            return cls(keys, dict(zip(keys, names, strict=True)))
        shown = ", ".join(filter(None, names))[:100]
        raise RecordError(
            "is neither JSON lines nor a table with the columns dataset, id, target and one of "
            f"response and label (and error, if you like); its first row is: {shown}"
        )

    def row(self, number: int, cells: Sequence[object]) -> Row:
        """Return the row of a table that cells are; empty ones count as absent.

        Args:
            number: The row's number; the header's is 1.
            cells: Its cells, with None for an empty one.
        """
        texts = list(map(_text, cells))
        while len(texts) > len(self.keys) and not texts[-1]:
            texts.pop()
        if len(texts) != len(self.keys):
            problem = (
                f"has {counted(len(texts), 'cell')}, the first row has {len(self.keys):,}; give "
                "each column a cell, in quotes if it holds a delimiter or a line break"
            )
            return Row("row", number, {}, problem=problem)
        named = dict(zip(self.keys, texts, strict=True))
        if not is_of_vlmevalkit(named):
            answers = [name for name in ("response", "label") if name in named]
            # An empty cell is a value only as the answer.
            answer = [name for name in answers if named[name]] or answers[:1]
            named = {name: text for name, text in named.items() if text or name in answer}
        return Row("row", number, named, self.spelled)


def key_of(cell: object) -> str:
    """Return the column that a cell of a header names, whatever its case."""
    return _text(cell).strip().casefold()


def _text(cell: object) -> str:
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return "" if cell is None else str(cell)
