from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from unifer_tasks.report.build import contents
from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.report.figures.published import published_scores
from unifer_tasks.report.renderers.scores import SCHEMA, Scores, scores_document, write_scores
from unifer_tasks.scoring.metrics import METRICS
from unifer_tasks.support.records import record


@pytest.fixture(scope="module")
def document(assessments: list[Assessment], tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("scores") / "scores.json"
    write_scores(path, scores_document(contents(assessments, published_scores(), ["Mind."])))
    return json.loads(path.read_text())


def test_the_file_is_of_its_schema(document: Any) -> None:
    found = record(Scores, document, closed=True)
    assert found.schema == SCHEMA
    for run in found.runs:
        for summary in (run.strict, run.upstream):
            assert summary.keys() == {
                "schema", "reader", "complete", "datasets", "pooled", "mean",
            }  # fmt: skip
            assert summary["mean"].keys() == {*METRICS, "intervals", "datasets"}
            for section in (summary["pooled"], *summary["datasets"].values()):
                assert section.keys() == {
                    *METRICS, "n", "classes", "confusion", "intervals", "excluded", "outcomes",
                    "questions",
                }  # fmt: skip


def test_the_file_holds_every_figure(document: Any, assessments: list[Assessment]) -> None:
    assert [run["title"] for run in document["runs"]] == [one.run.title for one in assessments]
    first = document["runs"][0]
    assert first["stand_in"] is True
    assert first["complete"] is False
    assert first["strict"]["pooled"]["accuracy"] == pytest.approx(2 / 3)
    assert first["rationale"]["overall"]["all"]["words"]["median"] == 5
    assert len(document["comparisons"]) == 6
    assert document["order_bias"]["org/m_$1|<b>"]["sfew"]["spread"] == 0
    assert document["warnings"] == ["Mind."]


def test_nothing_counted_is_null_and_never_nan(tmp_path: Path, document: Any) -> None:
    text = json.dumps(document)
    assert "NaN" not in text
    assert "Infinity" not in text
