from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unifer_rewards.cases import CORPUS, RESPONSES
from unifer_rewards.fer import compute_score
from unifer_rewards.preflight import perfect_response
from unifer_rewards.presets import PRESETS, TERMS, RewardError
from unifer_rewards.rows import RowError
from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.protocol.prompts import response as in_form


def check(result: dict[str, float | str], preset: str) -> None:
    numbers = {key: value for key, value in result.items() if not isinstance(value, str)}
    assert result.keys() - numbers.keys() == {"pred", "outcome"}
    assert all(type(value) is float for value in numbers.values())
    assert 0 <= numbers["score"] <= PRESETS[preset].maximum
    assert all(0 <= numbers[term] <= 1 for term in (*TERMS, "acc", "answered"))
    assert json.loads(json.dumps(result)) == result


@given(RESPONSES, st.sampled_from(sorted(PRESETS)))
def test_no_response_raises(response: str, preset: str) -> None:
    check(compute_score("ferplus", response, "sad", preset=preset, logged="all"), preset)


@pytest.mark.parametrize("response", [None, 3, b"fear", ["<answer>fear</answer>"], {}])
@pytest.mark.parametrize("preset", PRESETS)
def test_what_is_not_text_scores_as_an_empty_response(response: Any, preset: str) -> None:
    result = compute_score("ferplus", response, "fear", preset=preset)
    assert result == compute_score("ferplus", "", "fear", preset=preset)
    assert (result["score"], result["outcome"]) == (0, "missing")


@pytest.mark.parametrize("response", CORPUS)
def test_no_response_of_the_corpus_raises(response: str) -> None:
    for preset in PRESETS:
        check(compute_score("ferplus", response, "fear", preset=preset, logged="all"), preset)


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (in_form("x", "happiness"), {"acc": 1, "answered": 1, "pred": "happy"}),
        (in_form("x", "sad"), {"acc": 0, "answered": 1, "pred": "sad", "outcome": "answered"}),
        ("<answer>happy</answer>", {"acc": 1, "format": 0, "score": 0}),
        (in_form("x", "hm"), {"acc": 0, "answered": 0, "pred": "unknown", "outcome": "off-list"}),
        ("<think>The br", {"format": 0, "outcome": "truncated", "words": 2}),
    ],
)
def test_what_is_logged(response: str, expected: dict[str, float | str]) -> None:
    result = compute_score("ferplus", response, "happy")
    assert {key: result[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("source", "truth", "extra", "pred"),
    [
        ("ferplus", "happy", None, "happy"),
        ("ferplus", "happy", {}, "happy"),
        ("ferplus", "happy", {"candidate_labels": None, "index": 7}, "happy"),
        ("ferplus", "happiness", None, "happy"),
        ("ferplus", "<answer>happy</answer>", None, "happy"),
        ("mixed", "joyless", None, None),
        ("mixed", "happiness", {"candidate_labels": ["sadness", "happiness"]}, "happiness"),
        ("mixed", "happy", {"candidate_labels": np.array(["sad", "happy"])}, "happy"),
        ("rafdb", "happy", {"candidate_labels": ("happy", "contempt")}, "happy"),
    ],
)
def test_candidates_come_from_the_row_or_the_dataset(
    source: str, truth: str, extra: dict[str, Any] | None, pred: str | None
) -> None:
    if pred is None:
        with pytest.raises(RowError, match=r"no candidates: .* unknown dataset 'mixed'"):
            compute_score(source, "", truth, extra)
        return
    for preset in ("unifer", "upstream"):
        spelt = truth.removeprefix("<answer>").removesuffix("</answer>")
        result = compute_score(source, in_form("x", spelt), truth, extra, preset=preset)
        assert (result["acc"], result["pred"]) == (1, pred)
        assert result["score"] == PRESETS[preset].maximum


@pytest.mark.parametrize(
    ("truth", "extra", "message"),
    [
        ("joy", {}, "ground truth 'joy' is not among the candidates surprise, fear"),
        ("contempt", {}, "ground truth 'contempt' is not among"),
        (None, {}, "ground truth None is not among"),
        ("fear", {"candidate_labels": []}, "must be a list of labels"),
        ("fear", {"candidate_labels": "fear, anger"}, "must be a list of labels"),
        ("fear", {"candidate_labels": [1, 2]}, "must be a list of labels"),
        ("fear", {"candidate_labels": ["fear", "joy"]}, "must be different expressions out of"),
        ("fear", {"candidate_labels": ["fear", "sad", "sadness"]}, "must be different"),
        ("fear", {"candidate_labels": 3}, "must be a list of labels, got 3"),
        ("fear", 3, "extra_info must be a mapping, got 3"),
        ("fear", {"votes": 3}, "votes must be a list of numbers, got 3"),
        ("fear", {"votes": "1000000"}, "votes must be a list of numbers"),
        ("fear", {"votes": [1, 2]}, "2 votes for 7 candidates"),
        ("fear", {"votes": [-1, 0, 0, 0, 0, 0, 0]}, "votes must be non-negative numbers"),
        ("fear", {"votes": [float("nan"), 0, 0, 0, 0, 0, 0]}, "votes must be non-negative numbers"),
        ("fear", {"votes": ["9", 0, 0, 0, 0, 0, 0]}, "votes must be non-negative numbers"),
    ],
)
def test_a_row_that_cannot_be_scored_is_named(truth: Any, extra: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compute_score("rafdb", "", truth, extra)


def test_a_wrong_option_is_named() -> None:
    with pytest.raises(RewardError, match="unknown preset"):
        compute_score("rafdb", "", "fear", preset="best")


def test_candidates_of_the_row_bound_what_is_an_answer() -> None:
    extra = {"candidate_labels": ["fear", "anger"]}
    result = compute_score("rafdb", in_form("x", "surprise"), "fear", extra)
    assert (result["pred"], result["outcome"]) == ("unknown", "off-list")


def test_verl_calls_by_keyword_with_what_it_adds() -> None:
    row = {"candidate_labels": list(LABEL_SPACES["sfew"].labels), "index": 3, "num_turns": 2}
    result = compute_score(
        data_source="sfew",
        solution_str=perfect_response("angry"),
        ground_truth="angry",
        extra_info={**row, "rollout_reward_scores": {}},
        preset="grounded",
        weights={"brevity": 0.1},
    )
    assert result["score"] == pytest.approx(1.1)


def test_import_loads_nothing_heavy() -> None:
    heavy = {"torch", "transformers", "lmms_eval", "verl", "vllm", "ray", "datasets", "numpy"}
    code = f"import sys, unifer_rewards.fer; print(*(sys.modules.keys() & {heavy!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
