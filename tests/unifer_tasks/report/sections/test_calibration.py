"""The section on calibration: a planted overconfidence is shown, and failed requests left out."""

from __future__ import annotations

from math import log

import numpy as np
import pytest

from tests.unifer_tasks.report.page.made_up import always, assessed, run
from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.protocol.ranking import write_ranking
from unifer_tasks.protocol.variants import VARIANTS
from unifer_tasks.report.figures.tables import Percent
from unifer_tasks.report.renderers.markdown import as_markdown
from unifer_tasks.report.sections.calibration import section
from unifer_tasks.scoring.calibration import Calibration
from unifer_tasks.scoring.predictions import Prediction

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
    found = section(runs, [])
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


def test_without_rankings_there_is_no_section() -> None:
    runs = assessed(
        run("Model", always("happiness", 3)),
        run("Model", always("happiness", 3), variant=VARIANTS["ranked"]),
    )
    assert section(runs, []) is None


def test_it_is_in_the_report() -> None:
    runs = assessed(run("Model", ranked(50, 0.9, 0.6), variant=VARIANTS["ranked"]))
    text = as_markdown(runs, [], [])
    assert "## Calibration\n" in text
    assert "| Model | ranked | 50 |" in text
