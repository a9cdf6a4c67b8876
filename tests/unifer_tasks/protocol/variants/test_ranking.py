"""Rankings as responses: written, read by every reader, and read back."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unifer_tasks.protocol.answers.strict import read_answer
from unifer_tasks.protocol.answers.upstream import read_upstream
from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.protocol.variants.ranking import (
    read_ranking,
    reasoning,
    without_figures,
    write_ranking,
)

LABELS = LABEL_SPACES["sfew"].labels
THOUGHTS = ("", "<think>Corners down, so happy it is not.</think>\n")


@given(
    st.lists(st.floats(-700, 0), min_size=len(LABELS), max_size=len(LABELS)),
    st.sampled_from(THOUGHTS),
)
def test_a_ranking_is_read_back_by_all_readers(figures: list[float], begun: str) -> None:
    given_ = dict(zip(LABELS, figures, strict=True))
    response = write_ranking(given_, begun)
    best = max(given_, key=given_.__getitem__)
    assert read_answer(response, "sfew").label == best
    assert read_upstream(response, "sfew") == best
    probabilities = read_ranking(response)
    assert probabilities is not None
    assert math.isclose(sum(probabilities.values()), 1)
    assert probabilities.keys() == given_.keys()
    total = sum(map(math.exp, figures))
    if total > 0:
        for label, figure in given_.items():
            assert math.isclose(probabilities[label], math.exp(figure) / total, abs_tol=1e-5)


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("<think>A.</think><answer>sad</answer>", "<think>A.</think>\n"),
        ("<think>A.</think>\n\n<answer>sad", "<think>A.</think>\n"),
        ("<answer>sad</answer> or <answer>fear</answer>", "<answer>sad</answer> or\n"),
        ("<answer>sad</answer>", ""),
        ("", ""),
        ("Sad.", "Sad.\n"),
        ("<think>It goes on and", "<think>It goes on and</think>\n"),
    ],
)
def test_what_stands_before_the_answer(response: str, expected: str) -> None:
    assert reasoning(response) == expected
    ranked = write_ranking({"sad": -0.1, "fear": -2}, reasoning(response))
    assert read_answer(ranked, "sfew").label == "sad"


@pytest.mark.parametrize(
    "response",
    [
        "", "<answer>sad</answer>", "<answer>sad</answer> ", "<answer>sad</answer> {}",
        "<answer>sad</answer> [1]", '<answer>sad</answer> {"sad": "-1"}', '{"sad": -1}',
        '<answer>sad</answer> {"sad": -1', "[LMMS_EVAL_REQUEST_FAILED]",
        '<answer>sad</answer> {"sad": NaN}', '<answer>sad</answer> {"sad": -Infinity}',
        '<answer>sad</answer> {"sad": true}',
    ],
)  # fmt: skip
def test_what_is_no_ranking_is_none(response: str) -> None:
    assert read_ranking(response) is None


@pytest.mark.parametrize(
    "text", ["", "<answer>sad</answer>", "<answer>sad</answer> {", "<answer>sad</answer> 1", "Sad."]
)
def test_figures_are_no_words_of_the_model(text: str) -> None:
    assert without_figures(text) == text
    for begun in THOUGHTS:
        ranked = write_ranking({"sad": -0.1, "fear": -2}, begun)
        assert without_figures(ranked) == f"{begun}<answer>sad</answer>"


@pytest.mark.parametrize("figures", [{}, {"sad": math.nan}, {"sad": -math.inf}])
def test_what_is_not_finite_is_refused(figures: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="a ranking needs finite figures"):
        write_ranking(figures)


def test_equal_candidates_are_answered_by_the_first() -> None:
    assert write_ranking({"sad": -1.0, "fear": -1.0}).startswith("<answer>sad</answer>")
