"""The values of a row, as people write them."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from unifer_tasks.data.predictions import Prediction, as_prediction

GIVEN = {"dataset": "sfew", "id": "1", "target": "fear"}
READ = Prediction("sfew", "1", "fear", label="sad")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"id": 7}, Prediction("sfew", "7", "fear", label="sad")),
        ({"dataset": "SFEW 2.0"}, READ),
        ({"dataset": "sfew-2"}, READ),
        ({"target": " FEAR\n"}, READ),
        ({"target": "Happiness"}, Prediction("sfew", "1", "happy", label="sad")),
        (
            {"target": "happy", "dataset": "RAFDB"},
            Prediction("rafdb", "1", "happiness", label="sad"),
        ),
        ({"response": None}, READ),
        ({"label": None}, Prediction("sfew", "1", "fear", label="")),
        ({"label": None, "response": "x"}, Prediction("sfew", "1", "fear", response="x")),
    ],
)  # fmt: skip
def test_names_are_read_as_people_write_them(values: dict[str, Any], expected: Prediction) -> None:
    assert as_prediction({**GIVEN, "label": "sad", **values}) == expected


@pytest.mark.parametrize(
    ("error", "failed"),
    [
        (True, True), ("timeout", True), ("TRUE", True), ("yes", True), (1, True), (500, True),
        ("HTTP 429: rate limit", True), ({"code": 429}, True), (["timeout"], True),
        (False, False), (None, False), ("", False), (" ", False), ("false", False),
        ("False", False), ("no", False), ("None", False), ("null", False), ("nan", False),
        ("0", False), (0, False), (0.0, False), (math.nan, False), ({}, False), ([], False),
    ],
)  # fmt: skip
def test_an_error_is_true_or_its_message(error: object, failed: bool) -> None:
    found = as_prediction({**GIVEN, "error": error, "label": "sad"})
    expected = Prediction("sfew", "1", "fear", error=True) if failed else READ
    assert found == expected


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"dataset": "AffectNet-9"}, "unknown dataset 'AffectNet-9'; known: rafdb, ferplus, aff"),
        ({"dataset": "fer2013"}, "unknown dataset"),
        ({"dataset": ""}, "unknown dataset"),
        ({"dataset": ["sfew"]}, "`dataset` must be a string"),
        ({"target": "contempt"}, "target 'contempt' is not a label of sfew: angry, disgust"),
        ({"target": "3"}, "is not a label"),
        ({"target": 3}, "`target` must be a string, got 3"),
        ({"id": True}, "`id` must be a string, got true"),
        ({"id": None}, "`id` must be a string, got null"),
        ({"id": ""}, "has an empty `id`"),
        ({"response": "x"}, "has both `response` and `label`; leave one of them out"),
        ({"response": ["x"], "label": None}, 'got ["x"]; give the whole output as one string'),
        ({"response": {"content": "x"}, "label": None}, "; give the whole output as one string"),
        ({"response": None, "label": None}, "has null as `response` and as `label`; give the"),
        ({"label": 3}, "`label` must be a string, got 3"),
    ],
)
def test_other_values_are_refused(values: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)) as caught:
        as_prediction({**GIVEN, "label": "sad", **values})
    assert re.search("; (give|leave) ", str(caught.value)), "it says what to do"


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({}, "lacks `dataset`, has nothing; give one of rafdb, ferplus, affectnet, sfew, affectn"),
        ({"Dataset": "sfew"}, "lacks `dataset`, has Dataset; give one of rafdb"),
        ({**GIVEN, "label": "sad", "target": ...}, "lacks `target`, has dataset, id, label; give"),
        ({**GIVEN, "resps": [["sad"]]}, "needs `response` or `label`, has dataset, id, target, re"),
        ({**GIVEN, "prediction": "sad"}, "has dataset, id, target, prediction; give the whole out"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named_beside_what_is_there(row: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        as_prediction({key: value for key, value in row.items() if value is not ...})
