"""The tables and charts of a report as typed cells, which each renderer formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import TypeVar, overload

from unifer_tasks.scoring.intervals import Estimate


@dataclass(frozen=True, slots=True)
class Percent:
    """A share in [0, 1], shown in percent, with its 95 % interval where there is one.

    Attributes:
        value: The share; None or NaN of nothing.
        low: The interval's lower end.
        high: Its upper end.
        note: What the share is of, in a word or two.
        digits: How many digits after the point its source prints, if that is more than usual.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    note: str = ""
    digits: int = 0


@dataclass(frozen=True, slots=True)
class Points:
    """A difference of shares in [-1, 1], shown in points, with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Number:
    """A figure other than a share, with its 95 % interval."""

    value: float
    low: float
    high: float


_Cell = TypeVar("_Cell", Percent, Points, Number)


@overload
def with_interval(kind: type[_Cell], found: Estimate) -> _Cell: ...
@overload
def with_interval(kind: type[_Cell], found: Estimate | None) -> _Cell | None: ...
def with_interval(kind: type[_Cell], found: Estimate | None) -> _Cell | None:
    """Return the cell of an estimate; None, an empty cell, without an estimate."""
    return None if found is None else kind(found.value, *found.interval)


@dataclass(frozen=True, slots=True)
class PValue:
    """The p-value of a test."""

    value: float


Cell = str | int | float | Percent | Points | Number | PValue | tuple[Percent, ...] | None
"""A text, a count, a number, a figure or several; None where nothing was measured."""

Row = tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table; its first column names the rows, and consecutive rows of one name belong together.

    Attributes:
        columns: The headings.
        rows: As many cells each as there are columns.
        n_texts: How many columns, from the first on, hold texts; the others are numbers.
    """

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    n_texts: int = 1

    @property
    def groups(self) -> list[list[Row]]:
        """The rows, those of one name together."""
        return [list(rows) for _, rows in groupby(self.rows, key=itemgetter(0))]


@dataclass(frozen=True, slots=True)
class Dot:
    """A point of a chart.

    Attributes:
        x: A share in [0, 1].
        y: A share in [0, 1], with its 95 % interval.
        n: How many answers it is of.
    """

    x: float
    y: Estimate
    n: int


@dataclass(frozen=True, slots=True)
class Chart:
    """A square in which shares are drawn over shares, with the line on which both are equal.

    Attributes:
        title: What it is of.
        x: The name of its horizontal axis.
        y: The name of its vertical axis.
        dots: Its points, from left to right; at least one.
    """

    title: str
    x: str
    y: str
    dots: tuple[Dot, ...]

    @property
    def table(self) -> Table:
        """The same in figures."""
        rows = tuple((Percent(dot.x), with_interval(Percent, dot.y), dot.n) for dot in self.dots)
        return Table((self.x, self.y, "answers"), rows)


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report.

    Attributes:
        key: Its name in addresses and in `scores.json`.
        title: Its heading.
        text: What its figures are, in a few sentences.
        table: Its figures, for people.
        figures: Its figures, for programs: what `scores.json` holds under the key. Dataclasses
            are written field by field.
        more: Further tables, by their titles, below the first.
        charts: What is drawn of its figures.
        lines: What the figures of each run show or leave out, in words, a line each.
    """

    key: str
    title: str
    text: str
    table: Table
    figures: Mapping[str, object] = field(default_factory=dict)
    more: Mapping[str, Table] = field(default_factory=dict)
    charts: tuple[Chart, ...] = ()
    lines: tuple[str, ...] = ()

    @property
    def tables(self) -> Mapping[str, Table]:
        """Every table by its title, the first one first."""
        return {self.title: self.table, **self.more}
