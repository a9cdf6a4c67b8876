from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unifer_tasks.scoring.repeats import Label, Repeated, agree, majority, pass_at, repeat_scores

LABELS = st.sampled_from(["happy", "sad", "fear", None])


@pytest.mark.parametrize(
    ("labels", "vote", "agreed"),
    [
        (("happy", "happy", "sad"), "happy", False),
        (("sad", "happy", "happy"), "happy", False),
        (("happy", "happy", "happy"), "happy", True),
        # A tie goes to what was answered first.
        (("sad", "happy"), "sad", False),
        (("fear", "sad", "happy", "sad", "happy"), "sad", False),
        # An unreadable answer has no vote, and agrees with none.
        ((None, None, "sad"), "sad", False),
        ((None, "happy", "sad"), "happy", False),
        ((None, None), None, False),
        (("happy", None), "happy", False),
        (("happy",), "happy", True),
    ],
)
def test_the_vote_and_the_agreement(labels: tuple[Label, ...], vote: Label, agreed: bool) -> None:
    assert majority(labels) == vote
    assert agree(labels) is agreed


@pytest.mark.parametrize(
    ("k", "n", "right", "expected"),
    [(1, 4, 1, 0.25), (2, 4, 1, 0.5), (4, 4, 1, 1), (3, 4, 0, 0), (2, 3, 2, 1), (1, 1, 1, 1)],
)
def test_pass_at_k(k: int, n: int, right: int, expected: float) -> None:
    assert pass_at(k, n, right) == pytest.approx(expected)


@pytest.mark.parametrize(("k", "n", "right"), [(0, 3, 1), (4, 3, 1), (1, 3, 4), (1, 3, -1)])
def test_what_pass_at_k_cannot_estimate(k: int, n: int, right: int) -> None:
    with pytest.raises(ValueError, match="cannot be estimated"):
        pass_at(k, n, right)


@given(st.lists(st.booleans(), min_size=1, max_size=7), st.data())
def test_pass_at_k_is_the_share_of_draws_with_a_right_answer(
    answers: list[bool], data: st.DataObject
) -> None:
    n = len(answers)
    k = data.draw(st.integers(1, n))
    draws = [any(drawn) for drawn in combinations(answers, k)]
    assert pass_at(k, n, sum(answers)) == pytest.approx(sum(draws) / len(draws))


@given(st.lists(st.lists(LABELS, min_size=3, max_size=3), min_size=1, max_size=20))
def test_the_figures_of_all_questions_hold_together(answers: list[list[Label]]) -> None:
    scores = repeat_scores([Repeated("happy", tuple(labels)) for labels in answers])
    assert scores is not None
    assert (scores.repeats, scores.questions, list(scores.pass_at)) == (3, len(answers), [1, 2, 3])
    assert scores.pass_at[1] == pytest.approx(scores.accuracy)
    assert scores.pass_at[1] <= scores.pass_at[2] + 1e-9 <= scores.pass_at[3] + 2e-9
    assert scores.majority_vote <= scores.pass_at[3] + 1e-9
    assert scores.pass_at[3] == pytest.approx(
        sum("happy" in labels for labels in answers) / len(answers)
    )


def test_questions_asked_once_have_no_such_figures() -> None:
    assert repeat_scores([]) is None
    assert repeat_scores([Repeated("sad", ("sad",))]) is None


def test_a_question_with_fewer_answers_is_left_out() -> None:
    scores = repeat_scores([Repeated("sad", ("sad", "sad")), Repeated("sad", ("fear",))])
    assert scores is not None
    assert (scores.repeats, scores.questions, scores.accuracy) == (2, 1, 1.0)
