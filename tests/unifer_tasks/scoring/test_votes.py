"""Annotators' votes: figures worked by hand, and votes whose truth is known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.synthetic.annotators import draw_votes
from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.scoring.intervals import Estimate, wilson
from unifer_tasks.scoring.votes import (
    Voted,
    VoteScores,
    annotator_agreement,
    answer_shares,
    vote_scores,
)

LABELS = LABEL_SPACES["ferplus"].labels
COUNTS = st.lists(st.integers(0, 10), min_size=3, max_size=3).filter(any)


def scored(asked: Sequence[Voted], n_draws: int = 20) -> VoteScores:
    found = vote_scores(asked, n_draws=n_draws)
    assert found is not None
    return found


def voted(
    counts: Sequence[int],
    answer: str | None = "a",
    distribution: Mapping[str, float] | None = None,
    target: str | None = None,
) -> Voted:
    votes = dict(zip("abc", counts, strict=True))
    return Voted(target or max(votes, key=votes.__getitem__), votes, answer, distribution)


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        ([0, 0, 0], None),
        ([1, 0, 0], None),
        ([2, 0, 0], 1.0),
        ([10, 0, 0], 1.0),
        ([7, 2, 1], 0.7),
        # Without one of the five, four face four: half of the five agree by chance.
        ([5, 4, 1], 0.5 / 2),
        ([4, 3, 3], 0.4 / 3),
        # Without one of the five, the other five are the majority.
        ([5, 5, 0], 0.0),
        ([1, 1, 0], 0.0),
        ([2, 1, 0], 2 / 3 / 2),
    ],
)
def test_an_annotator_agrees_with_the_others(votes: list[int], expected: float | None) -> None:
    found = annotator_agreement(votes)
    assert found == (None if expected is None else pytest.approx(expected))


def agreement_of_each(votes: Sequence[int]) -> float:
    """Follow the definition: leave each annotator out, and find the majority of the rest."""
    annotators = list(chain.from_iterable([label] * n for label, n in enumerate(votes)))
    chances = []
    for own in annotators:
        rest = [n - (label == own) for label, n in enumerate(votes)]
        winners = [label for label, n in enumerate(rest) if n == max(rest)]
        chances.append((own in winners) / len(winners))
    return sum(chances) / len(chances)


@given(st.lists(st.integers(0, 12), min_size=2, max_size=8).filter(lambda v: sum(v) > 1))
def test_the_ceiling_is_that_of_the_definition(votes: list[int]) -> None:
    found = annotator_agreement(votes)
    assert found is not None
    assert found == pytest.approx(agreement_of_each(votes))
    assert 0 <= found <= max(votes) / sum(votes)


def test_by_hand() -> None:
    asked = [
        voted([8, 2, 0], "a"),
        voted([8, 2, 0], "b"),
        voted([6, 3, 1], "c"),
        voted([10, 0, 0], None),
        voted([0, 0, 0], "a"),
    ]
    found = scored(asked, n_draws=200)
    assert (found.n, found.unvoted, found.unreadable) == (4, 1, 1)
    assert found.accuracy.value == 0.25
    assert {k: (part.n, part.accuracy.value) for k, part in found.at_least.items()} == {
        1: (4, 0.75),
        2: (4, 0.5),
        3: (4, 0.25),
        5: (4, 0.25),
    }
    assert found.share.value == pytest.approx((0.8 + 0.2 + 0.1 + 0) / 4)
    assert found.best_share == pytest.approx((0.8 + 0.8 + 0.6 + 1) / 4)
    assert found.ceiling is not None
    assert found.ceiling.value == pytest.approx((0.8 + 0.8 + 0.6 + 1) / 4)
    assert found.gap is not None
    assert found.gap.value == pytest.approx(0.25 - 0.8)
    assert found.distance is None


def test_a_question_without_such_a_label_does_not_count_at_k() -> None:
    asked = [voted([2, 0, 0]), voted([6, 2, 0], "b")]
    found = scored(asked).at_least
    assert {k: (part.n, part.accuracy.value) for k, part in found.items()} == {
        1: (2, 1.0),
        2: (2, 1.0),
        3: (1, 0.0),
        5: (1, 0.0),
    }


@pytest.mark.parametrize(
    ("counts", "likely", "cross_entropy", "entropy", "distance"),
    [
        ([5, 5, 0], (0.5, 0.5, 0.0), math.log(2), math.log(2), 0.0),
        ([10, 0, 0], (0.5, 0.25, 0.25), math.log(2), 0.0, None),
        ([10, 0, 0], (0.0, 1.0, 0.0), -math.log(np.finfo(float).tiny), 0.0, 1.0),
        # In bits, the entropy of (3/4, 1/4) less half of 1 and half of 0.
        (
            [5, 5, 0],
            (1.0, 0.0, 0.0),
            -0.5 * math.log(np.finfo(float).tiny),
            math.log(2),
            math.sqrt(-0.75 * math.log2(0.75) - 0.25 * math.log2(0.25) - 0.5),
        ),
    ],
)
def test_distances_by_hand(
    counts: list[int],
    likely: tuple[float, ...],
    cross_entropy: float,
    entropy: float,
    distance: float | None,
) -> None:
    one = voted(counts, distribution=dict(zip("abc", likely, strict=True)))
    found = scored([one, voted([3, 3, 3])]).distance
    assert found is not None
    assert found.n == 1
    assert found.cross_entropy.value == pytest.approx(cross_entropy)
    assert found.entropy == pytest.approx(entropy)
    if distance is not None:
        assert found.jensen_shannon.value == pytest.approx(distance, abs=1e-7)


@given(st.lists(st.tuples(COUNTS, COUNTS, st.sampled_from(["a", "b", "c", None])), min_size=1))
def test_figures_stay_in_their_range(rows: list[tuple[list[int], list[int], str | None]]) -> None:
    asked = [
        voted(counts, answer, {label: n / sum(by) for label, n in zip("abc", by, strict=True)})
        for counts, by, answer in rows
    ]
    found = scored(asked)
    assert found.distance is not None
    assert found.distance.cross_entropy.value >= found.distance.entropy - 1e-9
    shares = [part.accuracy for part in found.at_least.values()]
    for one in [found.accuracy, found.share, found.distance.jensen_shannon, *shares]:
        assert 0 <= one.value <= 1
        assert 0 <= one.interval[0] <= one.interval[1] <= 1 + 1e-9
    assert found.share.value <= found.best_share + 1e-9
    if found.ceiling is not None:
        assert found.ceiling.value <= 1


@given(st.lists(COUNTS, min_size=1))
def test_the_votes_themselves_are_at_no_distance(rows: list[list[int]]) -> None:
    asked = [
        voted(row, distribution={c: n / sum(row) for c, n in zip("abc", row, strict=True)})
        for row in rows
    ]
    found = scored(asked).distance
    assert found is not None
    assert found.jensen_shannon.value == pytest.approx(0, abs=1e-6)
    assert found.cross_entropy.value == pytest.approx(found.entropy)


@given(COUNTS)
def test_the_names_and_the_order_of_labels_do_not_matter(counts: list[int]) -> None:
    turned = Voted("c", dict(zip("cba", counts, strict=True)), "c")
    straight = Voted("a", dict(zip("abc", counts, strict=True)), "a")
    assert scored([turned]) == scored([straight])


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([], None),
        ([None, None], None),
        (["a"], (0.75, 0.25)),
        (["a", None, "b"], (0.5, 0.5)),
        (["a", "a", "a", "b"], (0.7, 0.3)),
    ],
)
def test_answers_become_a_distribution(
    answers: list[str | None], expected: tuple[float, ...] | None
) -> None:
    found = answer_shares(answers, "ab")
    assert (found and tuple(found.values())) == (expected and pytest.approx(expected))


def test_equal_questions_keep_an_interval() -> None:
    found = scored([voted([10, 0, 0])] * 6)
    assert found.accuracy == Estimate(1.0, wilson(6, 6))
    assert found.share == Estimate(1.0, wilson(6, 6))
    assert found.gap is not None
    assert found.gap.interval[0] < 0 < found.gap.interval[1]
    assert found.is_at_ceiling


def drawn(intensity: float, n: int) -> Sequence[tuple[str, Mapping[str, int]]]:
    """Votes of synthetic faces: each annotator chooses the target with 0.2 + 0.7 * intensity."""
    rows = []
    for number in range(n):
        target = LABELS[number % len(LABELS)]
        votes, _ = draw_votes("ferplus", target, intensity, [number])
        rows.append((target, dict(zip(LABELS, votes, strict=True))))
    return rows


@pytest.mark.parametrize("intensity", [0.7, 0.85, 1.0])
def test_a_model_that_is_one_more_annotator_is_at_the_ceiling(intensity: float) -> None:
    agreeing = (0.2 + 0.7 * intensity) / 0.97
    random = np.random.default_rng(0)
    asked = []
    for target, votes in drawn(intensity, 1500):
        others = [label for label in LABELS if label != target]
        answer = target if random.random() < agreeing else str(random.choice(others))
        asked.append(Voted(target, votes, answer))
    found = scored(asked, n_draws=200)
    assert found.is_at_ceiling
    assert found.ceiling is not None
    assert found.ceiling.value == pytest.approx(agreeing, abs=0.03)
    assert found.best_share == pytest.approx(agreeing, abs=0.02)


def test_planted_near_misses_are_found() -> None:
    """Of wrong answers, those that annotators share are told from those that nobody gave."""
    near, far = [], []
    for target, votes in drawn(0.4, 800):
        others = [label for label in LABELS if label != target]
        near.append(Voted(target, votes, max(others, key=votes.__getitem__)))
        far.append(Voted(target, votes, min(others, key=votes.__getitem__)))
    shared, unshared = scored(near), scored(far)
    assert shared.accuracy.value == unshared.accuracy.value == 0
    assert shared.at_least[1].accuracy.interval[0] > 0.99
    assert unshared.at_least[1].accuracy.interval[1] < 0.1
    assert shared.share.interval[0] > unshared.share.interval[1]
    assert shared.gap is not None
    assert shared.gap.interval[1] < 0


def test_weaker_expressions_have_a_lower_ceiling() -> None:
    ceilings = [
        scored([Voted(target, votes, target) for target, votes in drawn(intensity, 600)]).ceiling
        for intensity in (0.3, 0.6, 0.9)
    ]
    low, middle, high = (one for one in ceilings if one is not None)
    assert low.interval[1] < middle.interval[0]
    assert middle.interval[1] < high.interval[0]


def test_intervals_cover_the_ceiling() -> None:
    asked = [Voted(target, votes, target) for target, votes in drawn(0.5, 6000)]
    truth = scored(asked).ceiling
    parts = [scored(asked[at : at + 300], n_draws=200).ceiling for at in range(0, 6000, 300)]
    assert truth is not None
    covered = [one.interval[0] <= truth.value <= one.interval[1] for one in parts if one]
    assert len(covered) == 20
    assert sum(covered) >= 17


def test_without_votes_there_is_no_score() -> None:
    assert vote_scores([]) is None
    assert vote_scores([voted([0, 0, 0])]) is None


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (Voted("a", {"a": 1, "b": 2}, "a"), "question 1 has votes for a, b, the first for a, b, c"),
        (Voted("a", {"a": -1, "b": 2, "c": 0}, "a"), "question 1 has -1 votes for a label"),
        (Voted("d", {"a": 1, "b": 2, "c": 0}, "a"), "true label 'd', which is none of its cand"),
        (voted([1, 2, 3], distribution={"a": 1.0}), "probabilities of other labels"),
        (voted([1, 2, 3], distribution={"a": 1.0, "b": 1.0, "c": 0.0}), "in sum not 1"),
    ],
)
def test_what_does_not_fit_is_refused(one: Voted, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        vote_scores([voted([1, 0, 0]), one])
