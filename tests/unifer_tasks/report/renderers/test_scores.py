from __future__ import annotations

import json
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict

import pytest

from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.report.figures.comparison import compare, telling_pairs
from unifer_tasks.report.figures.published import published_scores
from unifer_tasks.report.renderers.scores import (
    SCHEMA,
    MeanSection,
    Scores,
    Section,
    scores_document,
    write_scores,
)
from unifer_tasks.scoring.metrics import METRICS


def mismatches(value: Any, kind: Any, path: str = "") -> list[str]:
    """Where a JSON value is not of a type."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return []
    if is_typeddict(kind):
        hints = get_type_hints(kind)
        if kind in (Section, MeanSection):
            hints |= dict.fromkeys(METRICS, float | None)
        if not isinstance(value, dict) or value.keys() != hints.keys():
            return [f"{path}: keys {sorted(value)} for {sorted(hints)}"]
        return [m for k in hints for m in mismatches(value[k], hints[k], f"{path}.{k}")]
    if origin is UnionType:
        tried = [mismatches(value, each, path) for each in inner]
        return [] if [] in tried else tried[0]
    if origin is dict:
        return [m for k, v in value.items() for m in mismatches(v, inner[1], f"{path}.{k}")]
    if origin is list:
        return [m for i, v in enumerate(value) for m in mismatches(v, inner[0], f"{path}[{i}]")]
    if origin is tuple:
        return [] if len(value) == len(inner) else [f"{path}: {value}"]
    if kind is None or kind is NoneType:
        return [] if value is None else [f"{path}: {value!r} for null"]
    fits = isinstance(value, (int, float) if kind is float else kind)
    return [] if fits and (kind is bool or value.__class__ is not bool) else [f"{path}: {value!r}"]


@pytest.fixture(scope="module")
def document(assessments: list[Assessment], tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("scores") / "scores.json"
    comparisons = compare(telling_pairs(assessments))
    write_scores(path, scores_document(assessments, comparisons, published_scores(), ["Mind."]))
    return json.loads(path.read_text())


def test_the_file_is_of_its_schema(document: Any) -> None:
    assert mismatches(document, Scores) == []
    assert document["schema"] == SCHEMA
    assert mismatches(document | {"schema": "1"}, Scores) == [".schema: '1'"]


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
