from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unifer_tasks.report.page.made_up import always, assessed, prediction, run, three_runs
from unifer_tasks.data.predictions import Prediction
from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.protocol.variants.listed import VARIANTS
from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.report.figures.boards import (
    OVERVIEW,
    Scale,
    boards,
    duel_scale,
    pairwise,
    verdict,
)
from unifer_tasks.report.figures.comparison import compare, report_pairs
from unifer_tasks.report.figures.marks import marks
from unifer_tasks.report.figures.published import published_scores


@pytest.fixture(scope="module")
def runs() -> list[Assessment]:
    return three_runs(30)


def test_there_is_a_board_for_each_reader_and_scope_that_a_run_has(runs: list[Assessment]) -> None:
    found = [(board.reader, board.scope) for board in boards(runs, [])]
    scopes = [OVERVIEW, "pooled", "mean", "rafdb", "sfew"]
    assert found == [(reader, scope) for reader in ("strict", "upstream") for scope in scopes]


def test_the_best_run_is_first_and_figures_are_those_of_the_summary(
    runs: list[Assessment],
) -> None:
    board = boards(list(reversed(runs)), [])[1]
    ((_, rows),) = board.groups
    assert rows[0].title == "Oracle"
    pooled = runs[0].strict.pooled
    cell = rows[0].cells["accuracy"]
    assert cell.value == pooled.scores["accuracy"]
    assert (cell.low, cell.high) == pooled.interval("accuracy")
    assert rows[0].n == pooled.n


@pytest.mark.parametrize(
    ("right", "said"),
    [
        ({"A": 38}, ""),
        ({"A": 38, "B": 5}, "Its lead over every other run is more than chance."),
        ({"B": 30, "A": 31}, "Chance may explain its lead over B."),
        ({"A": 38, "B": 37, "C": 3}, "Chance may explain its lead over B."),
        ({"A": 38, "B": 37, "C drawn": 38}, "Chance may explain its lead over B. It cannot be "
         "compared with C drawn."),
        ({"A": 38, **dict.fromkeys("BCDEFG", 37)}, "Chance may explain its lead over B, C, D, E, F "
         "and 1 more."),
    ],
)  # fmt: skip
def test_the_best_run_is_named_and_how_sure_that_is(right: dict[str, int], said: str) -> None:
    runs = assessed(
        *(
            run(
                name,
                (prediction("sfew", k, "sad", "sad" if k < n else "fear") for k in range(40)),
                stand_in="drawn" in name,
            )
            for name, n in right.items()
        ),
        run("A", always("sadness", 40), variant=VARIANTS["direct"]),
    )
    text = verdict(runs, compare(report_pairs(runs)))
    best = f"Best: A, accuracy {100 * right['A'] / 40:.1f} % ("
    assert text.startswith(best)
    assert text.partition("). ")[2] == said
    assert verdict(runs[-1:], []) == ""


def test_every_figure_lies_on_its_scale(runs: list[Assessment]) -> None:
    for board in boards(runs, published_scores()):
        for row in (*board.rows, *board.published):
            for cell in row.cells.values():
                for value in (cell.low, cell.value, cell.high):
                    assert value is None or -0.01 <= board.scale.place(value) <= 100.01


def test_published_rows_stand_apart_on_both_readers_boards(runs: list[Assessment]) -> None:
    for board in boards(runs, published_scores()):
        titles = [row.title for row in board.published]
        assert titles == (["UniFER-7B"] if board.scope in {OVERVIEW, "pooled"} else [])
        assert "UniFER-7B" not in [row.title for row in board.rows]


def test_marks_name_what_is_wrong(runs: list[Assessment]) -> None:
    found = [[mark.text for mark in marks(one)] for one in runs[:2]]
    assert found == [["incomplete: 60 of 11,072"], ["stand-in faces", "incomplete: 53 of 11,072"]]


def test_differences_are_drawn_on_one_scale_with_zero_in_its_middle(
    runs: list[Assessment],
) -> None:
    comparisons = compare(report_pairs(runs))
    scale = duel_scale(comparisons)
    assert scale.place(0) == 50
    found = pairwise(comparisons)
    assert list(found) == ["pooled", "rafdb", "sfew"]
    for duel in found["pooled"]:
        assert 0 <= scale.place(duel.difference.interval[0]) <= 100


def test_no_comparison_is_no_error() -> None:
    assert pairwise([]) == {}
    assert duel_scale([]) == Scale(-1, 1)


def test_complete_runs_stand_apart_from_incomplete_ones() -> None:
    """By scope: all of SFEW is complete there, and nowhere else."""
    labels = [x for x, n in LABEL_SPACES["sfew"].test_counts.items() for _ in range(n)]
    rows = [Prediction("sfew", str(k), label, label=label) for k, label in enumerate(labels)]
    wrong = [replace(row, label="fear") for row in rows]
    runs = assessed(run("Part", rows[1:]), run("Whole", wrong))
    found = {board.scope: board.groups for board in boards(runs, []) if board.reader == "strict"}
    titles = {
        scope: [(complete, [row.title for row in group]) for complete, group in groups]
        for scope, groups in found.items()
    }
    assert titles == {
        "sfew": [(True, ["Whole"]), (False, ["Part"])],
        **{key: [(False, ["Part", "Whole"])] for key in ("overview", "pooled", "mean")},
    }
