"""Repeated answers in a report: section, leaderboards, plot and `scores.json`."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from tests.unifer_tasks.report.page.made_up import always, assessed, run, several
from unifer_tasks.report.build import contents
from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.report.figures.boards import boards
from unifer_tasks.report.figures.tables import Percent
from unifer_tasks.report.renderers.leaderboard import as_csv
from unifer_tasks.report.renderers.markdown import as_markdown
from unifer_tasks.report.renderers.plots import write_plots
from unifer_tasks.report.renderers.scores import scores_document
from unifer_tasks.report.sections.repeats import section

THREE = [
    ("sad", ("fear", "sad", "sad")),
    ("fear", ("fear", "fear", "fear")),
    ("happy", ("angry", "", "happy")),
    ("angry", ("", "", "fear")),
]
"""First answers: one of four right. Votes of three: two right, as the third is a tie."""


@pytest.fixture(scope="module")
def runs() -> list[Assessment]:
    return assessed(several("Sampler", THREE), run("Once", always("sadness", 14)))


def test_the_curve_of_the_pool_and_the_ends_of_each_dataset(runs: list[Assessment]) -> None:
    found = section(runs)
    assert found is not None
    rows = {(row[1], row[2]): row for row in found.table.rows}
    assert list(rows) == [
        *(("Pooled", k) for k in (1, 2, 3)),
        ("SFEW 2.0", 1),
        ("SFEW 2.0", 3),
    ]
    shares = {
        key: [cell.value for cell in row if isinstance(cell, Percent)] for key, row in rows.items()
    }
    pooled = [shares["Pooled", k] for k in (1, 2, 3)]
    # Of two answers: FS is fear, FS, SS; FF; A-, AH is angry, -H; none is right in the last.
    assert pooled[0] == pytest.approx([6 / 12, 6 / 12, 9 / 12])
    assert pooled[1] == pytest.approx(
        [(1 / 3 + 1 + 1 / 3) / 4, (1 + 1 + 2 / 3) / 4, (1 / 3 + 1) / 4]
    )
    assert pooled[2] == pytest.approx([2 / 4, 3 / 4, 1 / 4])
    assert {row[-1] for row in rows.values()} == {4}
    assert "the one that was answered first wins" in found.text


def test_a_long_curve_is_shown_in_steps_and_written_whole() -> None:
    runs = assessed(several("Sampler", [("sad", ["sad"] * 20), ("fear", ["sad", *["fear"] * 19])]))
    found = section(runs)
    assert found is not None
    pooled = [row[2] for row in found.table.rows if row[1] == "Pooled"]
    assert pooled == [1, 2, 3, 4, 5, 6, 7, 8, 16, 20]
    (one,) = scores_document(contents(runs))["runs"]
    curve = one["repeats"]["pooled"]["curve"]
    assert [point["k"] for point in curve] == list(range(1, 21))
    assert curve[-1]["majority_vote"]["value"] == one["repeats"]["pooled"]["majority_vote"] == 1
    assert curve[0]["pass_at"]["value"] == pytest.approx(39 / 40)
    low, high = curve[0]["pass_at"]["interval"]
    assert low < 39 / 40 < high


def test_leaderboards_have_the_vote_beside_the_first_answers(runs: list[Assessment]) -> None:
    for board in boards(runs, []):
        column = board.columns.get("majority_vote")
        is_voted = board.reader == "strict" and board.scope in {"pooled", "sfew"}
        assert column == ("majority@3" if is_voted else None)
        cells = {row.title: row.cells.get("majority_vote") for row in board.rows}
        if is_voted:
            vote = cells["Sampler"]
            assert vote is not None
            assert vote.value is not None
            assert (vote.value, cells["Once"]) == (0.5, None)
            assert 0 <= board.scale.place(vote.value) <= 100
    text = as_markdown(contents(runs))
    assert "| model | WAR | UAR | macro-F1 | majority@3 | unreadable |" in text
    rows = csv.DictReader(io.StringIO(as_csv(contents(runs))))
    votes = {
        (r["model"], r["reader"], r["scope"]): (r["repeats"], r["majority_vote"]) for r in rows
    }
    assert votes["Sampler", "strict", "pooled"] == ("3", "0.500000")
    assert votes["Sampler", "upstream", "pooled"] == votes["Once", "strict", "sfew"] == ("", "")


def test_where_runs_were_asked_more_and_less_often_each_vote_says_of_how_many(
    runs: list[Assessment],
) -> None:
    both = [*runs, *assessed(several("Twice", [("sad", ("sad", "sad"))]))]
    text = as_markdown(contents(both))
    assert "| majority@k |" in text
    assert "(k = 3)" in text
    assert "(k = 2)" in text


def test_the_plot_is_drawn_where_there_are_repeats_and_removed_where_not(
    runs: list[Assessment], tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    assert tmp_path / "repeats.svg" in write_plots(contents(runs), tmp_path)
    assert tmp_path / "repeats.svg" not in write_plots(contents(runs[1:]), tmp_path)
    assert not list(tmp_path.glob("repeats*"))
