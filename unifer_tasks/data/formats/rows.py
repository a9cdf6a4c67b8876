"""A row of a prediction file, whatever its format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

COLUMNS = ("dataset", "id", "target", "response", "label", "error")
"""The columns of a prediction file; others are ignored."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a prediction file.

    Attributes:
        unit: What a row is called there.
        number: Its number, from 1; in a table, the header is the first.
        values: Its values by column.
        spelled: Column -> its name in the file, where that differs.
        problem: Why it cannot be read; None if it can.
    """

    unit: str
    number: int
    values: Mapping[str, Any]
    spelled: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None

    @property
    def place(self) -> str:
        """Where in the file the row is, for a message."""
        return f"{self.unit} {self.number:,}"
