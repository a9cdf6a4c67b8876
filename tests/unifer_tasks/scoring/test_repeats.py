from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unifer_tasks.scoring.repeats import (
    Label,
    Repeated,
    agree,
    agreement_at,
    majority,
    majority_curve,
    pass_at,
    repeat_scores,
)

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


ANSWERS = st.lists(st.sampled_from(["happy", "sad", "fear", "anger", None]), min_size=1, max_size=8)


@given(ANSWERS)
def test_curves_are_means_over_all_choices_of_the_answers_in_their_order(
    labels: list[Label],
) -> None:
    curve = majority_curve("happy", labels)
    assert len(curve) == len(labels)
    for k, share in enumerate(curve, start=1):
        chosen = list(combinations(labels, k))
        right = sum(majority(choice) == "happy" for choice in chosen)
        assert share == pytest.approx(right / len(chosen))
        alike = sum(map(agree, chosen))
        assert agreement_at(k, labels) == pytest.approx(alike / len(chosen))


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        # A tie goes to what was answered first, so the order of the answers decides.
        (("happy", "sad"), (1 / 2, 1)),
        (("sad", "happy"), (1 / 2, 0)),
        (("sad", "happy", "happy"), (2 / 3, 1 / 3, 1)),
        (("happy", "happy", "sad"), (2 / 3, 1, 1)),
        # What cannot be read neither votes nor breaks a tie.
        ((None, "happy"), (1 / 2, 1)),
        ((None, None), (0, 0)),
        (("sad", "fear"), (0, 0)),
        # Two of five right against three labels once each: the vote finds what one answer misses.
        (("fear", "happy", "sad", "happy", "anger"), (2 / 5, 4 / 10, 4 / 10, 3 / 5, 1)),
    ],
)
def test_votes_of_k_answers(labels: tuple[Label, ...], expected: tuple[float, ...]) -> None:
    assert majority_curve("happy", labels) == pytest.approx(expected)


def test_many_answers_are_counted_exactly() -> None:
    n = 200
    curve = majority_curve("happy", ["happy"] * 110 + ["sad"] * 60 + [None] * 30)
    assert len(curve) == n
    assert curve[0] == pytest.approx(110 / n)
    assert curve[-1] == 1
    assert all(0 <= share <= 1 for share in curve)


@given(
    st.integers(2, 6).flatmap(
        lambda n: st.lists(st.lists(LABELS, min_size=n, max_size=n), min_size=1, max_size=12)
    )
)
def test_a_curve_begins_at_the_accuracy_and_ends_at_the_figures_of_all_answers(
    answers: list[list[Label]],
) -> None:
    scores = repeat_scores([Repeated("happy", tuple(labels)) for labels in answers])
    assert scores is not None
    n = len(answers)
    assert [point.k for point in scores.curve] == list(range(1, scores.repeats + 1))
    first, last = scores.curve[0], scores.curve[-1]
    assert first.majority_vote.value == pytest.approx(scores.accuracy)
    assert first.pass_at.value == pytest.approx(scores.accuracy)
    read = sum(label is not None for labels in answers for label in labels)
    assert first.agreement.value == pytest.approx(read / (n * scores.repeats))
    votes = [majority(labels) == "happy" for labels in answers]
    assert last.majority_vote.value == scores.majority_vote == pytest.approx(sum(votes) / n)
    assert last.pass_at.value == pytest.approx(sum("happy" in labels for labels in answers) / n)
    assert last.agreement.value == scores.agreement == pytest.approx(sum(map(agree, answers)) / n)
    for point in scores.curve:
        for figure in (point.majority_vote, point.pass_at, point.agreement):
            low, high = figure.interval
            assert 0 <= low <= figure.value <= high <= 1
    for before, after in pairwise(scores.curve):
        assert before.pass_at.value <= after.pass_at.value + 1e-9
        assert before.agreement.value >= after.agreement.value - 1e-9


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
