"""The report as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from unifer_tasks.redaction.markdown import Markdown, escape, table
from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.report.figures.boards import SCOPES, Board, boards, estimate, ranked, verdict
from unifer_tasks.report.figures.contents import Contents
from unifer_tasks.report.figures.numbers import cell_text
from unifer_tasks.report.figures.published import PublishedScore
from unifer_tasks.report.figures.tables import Cell, Percent, Row, Section, Table
from unifer_tasks.scoring.metrics import HEADLINE

_ABOUT = (
    "Strict reader, in percent, with 95 % intervals: bootstrapped over the questions, Wilson's "
    "where every draw is alike. WAR is the accuracy, UAR the mean recall of the classes. "
    "Words: the median length of a response."
)
_UPSTREAM = "Pooled, by the rules of the paper's evaluators: for comparison with published figures."


def as_markdown(report: Contents) -> str:
    """Return the report as Markdown.

    The best model is first, and its variants are below it; what others published has a part of
    its own.
    """
    runs = ranked(report.runs)
    blocks: list[str] = ["# FERBench leaderboard"]
    blocks += [f"> **{escape(warning)}**" for warning in report.warnings]
    if said := verdict(runs, report.comparisons):
        blocks.append(escape(said))
    blocks.append(_ABOUT)
    for board in boards(runs, []):
        if board.reader == "strict" and not board.is_overview and board.rows:
            blocks += [f"## {SCOPES[board.scope]}", _table(_board(board))]
    blocks += ["## Upstream reader", _UPSTREAM, _table(_upstream(runs))]
    for section in report.sections:
        blocks += section_blocks(section)
    if notes := [
        f"- {escape(one.run.title)}: {escape(note)}" for one in runs for note in one.run.notes
    ]:
        blocks += ["## Notes", "\n".join(notes)]
    if report.published:
        blocks += ["## Published by others, not measured here", _published(report.published)]
    return "\n\n".join(blocks) + "\n"


def section_blocks(section: Section) -> list[str]:
    """Return a section of a report as blocks of Markdown."""
    blocks = [f"## {section.title}", escape(section.text)]
    if section.lines:
        blocks.append("\n".join(f"- {escape(line)}" for line in section.lines))
    blocks.append(_table(section.table))
    for title, found in section.more.items():
        blocks += [f"### {title}", _table(found)]
    return blocks


def _board(board: Board) -> Table:
    rows: tuple[Row, ...] = tuple(
        (
            row.title,
            *(row.cells.get(column) for column in board.columns),
            Percent(row.unreadable),
            row.words,
            row.asked,
            row.faces,
        )
        for row in board.rows
    )
    columns = ("model", *board.columns.values(), "unreadable", "words", "questions", "faces")
    return Table(columns, rows)


def _upstream(runs: Sequence[Assessment]) -> Table:
    rows: tuple[Row, ...] = tuple(
        (
            one.run.title,
            *(estimate(one.upstream.pooled, metric) for metric in HEADLINE),
            one.upstream.pooled.n,
            one.upstream.pooled.excluded,
        )
        for one in runs
    )
    return Table(("model", *HEADLINE.values(), "counted", "failed requests, left out"), rows)


def _table(found: Table) -> str:
    numeric = {
        place
        for place in range(found.n_texts, len(found.columns))
        if not all(isinstance(row[place], str) for row in found.rows)
    }
    rows = [[_cell(cell) for cell in row] for row in found.rows]
    return table(found.columns, rows, numeric)


def _cell(cell: Cell) -> str:
    return cell if isinstance(cell, str) else Markdown(cell_text(cell))


def _published(published: Sequence[PublishedScore]) -> str:
    rows = [
        [
            escape(score.model),
            SCOPES[score.dataset],
            HEADLINE.get(score.metric, score.metric),
            f"{100 * score.score:.{score.decimals}f}",
            escape(score.reader),
            "" if score.n is None else f"{score.n:,}",
            escape(score.by),
            Markdown(f"[{escape(score.source)}]({score.url})"),
        ]
        for score in published
    ]
    head = ["model", "scope", "metric", "score", "reader", "questions", "measured by", "source"]
    return table(head, rows, numeric=(3, 5))
