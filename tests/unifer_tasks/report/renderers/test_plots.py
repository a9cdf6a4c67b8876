from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from unifer_tasks.data.predictions import Prediction
from unifer_tasks.protocol.variants.listed import VARIANTS
from unifer_tasks.protocol.variants.ranking import write_ranking
from unifer_tasks.report.build import contents
from unifer_tasks.report.figures.assessment import Assessment, assess
from unifer_tasks.report.figures.published import published_scores
from unifer_tasks.report.figures.tables import Chart, Dot
from unifer_tasks.report.renderers import plots
from unifer_tasks.report.renderers.plots import write_plots
from unifer_tasks.scoring.intervals import Estimate
from unifer_tasks.scoring.repeats import Repeated, repeat_scores

pytest.importorskip("matplotlib")


def test_plots_are_written_twice_the_same(assessments: list[Assessment], tmp_path: Path) -> None:
    runs = [assessments[0], assessments[-1]]
    stale = tmp_path / "a" / "confusion_9_gone.png"
    stale.parent.mkdir()
    stale.touch()
    told: list[str] = []
    first = write_plots(contents(runs, published_scores()), tmp_path / "a", told.append)
    second = write_plots(contents(runs, published_scores()), tmp_path / "b")
    names = ["leaderboard", "recall", "prior", "confusion_1_org-m-1-b", "confusion_2_other"]
    assert told == names
    assert [path.name for path in first] == [
        f"{n}.{kind}" for n in names for kind in ("png", "svg")
    ]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert not stale.exists()
    for path in first:
        if path.suffix == ".png":
            with Image.open(path) as image:
                # A column is 3.4 inches wide, at 300 dots each.
                assert image.width >= 1000
        else:
            text = path.read_text()
            assert text.startswith("<?xml")
            assert "<dc:date>" not in text


def test_a_matrix_drawn_over_another_is_the_one_drawn_alone(
    assessments: list[Assessment], tmp_path: Path
) -> None:
    first = assessments[0]
    pooled = first.strict.pooled
    turned = replace(pooled.confusion, counts=pooled.confusion.counts[::-1].copy())
    second = replace(
        first,
        run=replace(first.run, name="z"),
        strict=replace(first.strict, pooled=replace(pooled, confusion=turned)),
    )
    write_plots(contents([second]), tmp_path / "alone")
    write_plots(contents([first, second]), tmp_path / "over")
    for kind in ("png", "svg"):
        (alone,), (over,) = (
            list((tmp_path / folder).glob(f"confusion_*_z.{kind}")) for folder in ("alone", "over")
        )
        assert over.read_bytes() == alone.read_bytes()
    assert plots.confusion(first).get_suptitle() != plots.confusion(second).get_suptitle()


def figures(runs: list[Assessment]) -> dict[str, Any]:
    return {
        "leaderboard": plots.leaderboard(runs, published_scores()),
        "recall": plots.recall(runs),
        "prior": plots.prior(runs),
        "confusion": plots.confusion(runs[0]),
        "repeats": plots.repeats([_repeated(one) for one in runs]),
        "reliability": plots.reliability([(one, _CHART) for one in runs]),
    }


_CHART = Chart(
    "Model",
    "confidence",
    "right answers",
    (Dot(0.6, Estimate(1.0, (0.2, 1.0)), 1), Dot(0.9, Estimate(1.0, (0.7, 1.0)), 8)),
)


@pytest.mark.parametrize("n", [1, 4, 6])
def test_each_run_that_ranked_has_a_panel(assessments: list[Assessment], n: int) -> None:
    with plots._style():
        figure = plots.reliability([(assessments[0], _CHART)] * n)
        figure.draw_without_rendering()
    panels = [axes for axes in figure.axes if axes.axison]
    assert len(panels) == n
    named = [axes for axes in panels if axes.get_xlabel()]
    assert len(named) == min(n, 4)
    for axes in named:
        assert [label.get_text() for label in axes.get_xticklabels() if label.get_visible()]
    for axes in panels:
        # The line of equality, and a dot for each of two bins.
        assert len(axes.lines) == 3


def test_the_reliability_of_an_earlier_report_is_removed(
    assessments: list[Assessment], tmp_path: Path
) -> None:
    log_likelihoods = {"happy": -0.1, "sad": -3.0, "fear": -4.0}
    one = assessments[0]
    row = Prediction("sfew", "a", "happy", write_ranking(log_likelihoods))
    run = replace(one.run, variant=VARIANTS["ranked"], predictions=(row,))
    written = write_plots(contents([assess(run)]), tmp_path)
    assert {path.name for path in written} >= {"reliability.png", "reliability.svg"}
    write_plots(contents([one]), tmp_path)
    assert not list(tmp_path.glob("reliability.*"))


def _repeated(one: Assessment) -> Assessment:
    """Return a run whose questions were asked five times."""
    found = repeat_scores([Repeated("sad", ("sad", "fear", "sad", None, "sad"))] * 20)
    assert found is not None
    return replace(one, repeats={"pooled": found})


@pytest.mark.parametrize("n", [1, 5])
def test_titles_say_what_was_asked_and_who_read_it_and_nothing_is_cut_off(
    assessments: list[Assessment], n: int
) -> None:
    named = [replace(one, run=replace(one.run, name="org/long-" * 12)) for one in assessments]
    with plots._style():
        for name, figure in figures(named[:n]).items():
            figure.draw_without_rendering()
            drawn, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
            assert drawn.x0 >= -0.01, name
            assert drawn.y0 >= -0.01, name
            assert drawn.x1 <= width + 0.01, name
            assert drawn.y1 <= height + 0.01, name
            title = " ".join(figure.get_suptitle().split())
            assert title.endswith("RAF-DB and SFEW 2.0, pooled, strict reader")


def test_a_run_on_one_dataset_names_it_and_the_confusions_name_the_run(
    assessments: list[Assessment],
) -> None:
    other = assessments[-1]
    assert plots.recall([other]).get_suptitle() == "Recall (%), SFEW 2.0, strict reader"
    title = plots.confusion(other).get_suptitle()
    assert title == "other [incomplete]\nAnswers, SFEW 2.0, strict reader"


def test_a_published_score_says_who_read_it(assessments: list[Assessment]) -> None:
    labels = plots.leaderboard(assessments, published_scores()).axes[0].get_yticklabels()
    assert "UniFER-7B [published, upstream" in labels[-1].get_text()


def test_no_difference_of_zero_has_a_sign(assessments: list[Assessment]) -> None:
    shown = [text.get_text() for text in plots.prior(assessments).axes[0].texts]
    assert "0" in shown
    assert not {"+0", "-0"} & set(shown)


@pytest.mark.parametrize(
    ("values", "limits"),
    [
        ([51.0, 59.0], (50, 60)),
        ([40.0, 100.0], (40, 100)),
        ([100.0], (90, 100)),
        ([0.0], (0, 10)),
        ([math.nan], (0, 100)),
    ],
)
def test_colours_range_over_what_there_is(values: list[float], limits: tuple[float, float]) -> None:
    assert plots._limits(np.array(values)) == limits
