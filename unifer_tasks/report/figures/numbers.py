"""Numbers as every output of a report writes them."""

from __future__ import annotations

from unifer_tasks.report.figures.tables import Cell, Number, Percent, Points, PValue, Table

NOT_MEASURED = "-"


def signed(value: float, digits: int) -> str:
    """Write a difference with its sign; what rounds to zero has none."""
    text = f"{value:+.{digits}f}"
    return text if float(text) else text[1:]


def percent(value: float | None, digits: int = 2) -> str:
    """Write a share in percent."""
    return NOT_MEASURED if value is None or value != value else f"{100 * value:.{digits}f}"


def p_value(p: float) -> str:
    """Write a p-value: four digits, and no more zeros than anyone needs."""
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}"


def text_table(found: Table) -> str:
    """Write a table of one run in plain text, without the column that names the run."""
    rows = [found.columns[1:], *(tuple(map(cell_text, row[1:])) for row in found.rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    n_texts = found.n_texts - 1
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place < n_texts else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def cell_text(cell: Cell) -> str:
    """Write a cell in one line of plain text."""
    match cell:
        case None:
            return NOT_MEASURED
        case str():
            return cell
        case int():
            return f"{cell:,}"
        case float():
            return f"{cell:g}"
        case tuple():
            return " / ".join(map(cell_text, cell))
        case PValue(value):
            return p_value(value)
        case Number(value, low, high):
            return f"{value:.3f} [{low:.3f}, {high:.3f}]"
        case Points(value, low, high):
            change, *ends = (signed(100 * number, 2) for number in (value, low, high))
            return f"{change} [{', '.join(ends)}]"
        case Percent(value, low, high):
            text = percent(value)
            if low is not None and high is not None:
                text += f" [{percent(low)}, {percent(high)}]"
            return f"{text} ({cell.note})" if cell.note else text
