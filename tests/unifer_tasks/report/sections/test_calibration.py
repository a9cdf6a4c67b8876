"""The section on calibration: a planted overconfidence is shown, and failed requests left out."""

from __future__ import annotations

from math import log
from pathlib import Path

import numpy as np
import pytest

from tests.unifer_tasks.report.page.made_up import always, assessed, run
from unifer_tasks.data.predictions import Prediction
from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.protocol.variants.listed import VARIANTS
from unifer_tasks.protocol.variants.ranking import write_ranking
from unifer_tasks.report.build import contents
from unifer_tasks.report.figures.tables import Percent
from unifer_tasks.report.page import write_page
from unifer_tasks.report.renderers.markdown import as_markdown
from unifer_tasks.report.sections.calibration import section
from unifer_tasks.scoring.calibration import Calibration

LABELS = LABEL_SPACES["sfew"].labels


def ranked(n: int, confidence: float, accuracy: float) -> list[Prediction]:
    """Questions whose answer has one confidence and another chance to be right."""
    random = np.random.default_rng(0)
    rows = []
    for number in range(n):
        target = LABELS[number % len(LABELS)]
        wrong = LABELS[(number + 1) % len(LABELS)]
        answer = target if random.random() < accuracy else wrong
        rest = log((1 - confidence) / (len(LABELS) - 1))
        figures = {label: log(confidence) if label == answer else rest for label in LABELS}
        begun = "<think>The brows are raised.</think>\n"
        rows.append(Prediction("sfew", str(number), target, write_ranking(figures, begun)))
    return [*rows, Prediction("sfew", "failed", "sad", error=True)]


@pytest.mark.parametrize(
    ("confidence", "accuracy", "is_calibrated"), [(0.9, 0.6, False), (0.7, 0.7, True)]
)
def test_overconfidence_is_shown(confidence: float, accuracy: float, is_calibrated: bool) -> None:
    runs = assessed(
        run("Model", always("happiness", 3)),
        run("Model", ranked(600, confidence, accuracy), variant=VARIANTS["ranked_reasoned"]),
    )
    found = section(runs)
    assert found is not None
    ((name, variant, n, war, mean, ece, noise, *_),) = found.table.rows
    assert (name, variant, n) == ("Model", "ranked_reasoned", 600)
    measured = found.figures["Model (ranked_reasoned)"]
    assert isinstance(measured, Calibration)
    assert measured.is_calibrated is is_calibrated
    assert isinstance(war, Percent)
    assert war.value == pytest.approx(accuracy, abs=0.06)
    assert isinstance(mean, Percent)
    assert mean.value == pytest.approx(confidence, abs=1e-4)
    assert isinstance(ece, Percent)
    assert ece.low is not None
    assert ece.high is not None
    assert ece.low - 1e-9 <= confidence - accuracy <= ece.high + 1e-9
    assert isinstance(noise, Percent)


def test_each_bin_is_a_dot_and_listed(tmp_path: Path) -> None:
    runs = assessed(
        run("Model", ranked(300, 0.9, 0.6), variant=VARIANTS["ranked"]),
        run("Model", ranked(300, 0.5, 0.5), variant=VARIANTS["ranked_reasoned"]),
    )
    found = section(runs)
    assert found is not None
    assert [chart.title for chart in found.charts] == ["Model (ranked)", "Model (ranked_reasoned)"]
    ((dot,), (other,)) = (chart.dots for chart in found.charts)
    assert dot.x == pytest.approx(0.9)
    assert dot.n == 300
    assert dot.y.value == pytest.approx(0.6, abs=0.06)
    assert dot.y.interval[1] < dot.x
    assert other.y.interval[0] < other.x
    page = write_page(contents(runs), tmp_path).path.read_text()
    assert page.count('<svg viewBox="0 0 262 252" role="img"') == 2
    assert page.count("<circle cx=") == 2
    assert '<circle cx="228.0" cy="' in page
    assert "Right answers over confidence, Model (ranked): 1 point, listed below" in page
    assert "<caption>Model (ranked); shares in percent</caption>" in page
    assert "<td>90.0</td>" in page
    assert "<td>300</td>" in page


def test_without_rankings_there_is_no_section() -> None:
    runs = assessed(
        run("Model", always("happiness", 3)),
        run("Model", always("happiness", 3), variant=VARIANTS["ranked"]),
    )
    assert section(runs) is None


def test_it_is_in_the_report() -> None:
    runs = assessed(run("Model", ranked(50, 0.9, 0.6), variant=VARIANTS["ranked"]))
    text = as_markdown(contents(runs))
    assert "## Calibration\n" in text
    assert "| Model | ranked | 50 |" in text
