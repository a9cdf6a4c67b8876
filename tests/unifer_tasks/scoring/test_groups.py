"""Groups: figures by hand, a planted bias is found, and one that is not there is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from unifer_tasks.scoring.groups import (
    FLOOR,
    Answer,
    Gap,
    Gaps,
    Grouping,
    corrected,
    group_scores,
)
from unifer_tasks.scoring.intervals import Estimate, wilson

LABELS = ("happy", "sad", "fear")
NAMES = ("a", "b", "c")

Cells = Mapping[tuple[str, str], tuple[int, int]]
"""Group and target -> right answers and questions."""


def answers(cells: Cells) -> list[Answer]:
    return [
        (group, target, target if number < right else None)
        for (group, target), (right, n) in cells.items()
        for number in range(n)
    ]


def scored(cells: Cells) -> Grouping:
    return group_scores(answers(cells), LABELS, NAMES, floor=1, n_draws=999)


def planted(
    n: int, accuracy: Mapping[str, float], seed: int, *, easy: Mapping[str, float] | None = None
) -> list[Answer]:
    """Answers of groups with a chance to be right each; `easy` is the share of happy faces.

    Where expressions differ in frequency, happy faces are right more often than the others.
    """
    random = np.random.default_rng(seed)
    names = list(accuracy)
    rows: list[Answer] = []
    for _ in range(n):
        group = str(random.choice(names))
        share = easy[group] if easy else 1 / 3
        target = "happy" if random.random() < share else str(random.choice(LABELS[1:]))
        chance = accuracy[group] + (0.2 if easy and target == "happy" else 0)
        wrong = LABELS[(LABELS.index(target) + 1) % 3]
        rows.append((group, target, target if random.random() < chance else wrong))
    return rows


def gaps_of(rows: Sequence[Answer], names: Sequence[str] = NAMES) -> Gaps:
    gaps = group_scores(rows, LABELS, names, n_draws=999).gaps
    assert gaps is not None
    return gaps


@pytest.mark.parametrize(
    ("cells", "figures"),
    [
        # UAR is over the labels that a group has; the excess is 0 where expressions explain all.
        (
            {("a", "happy"): (10, 10), ("b", "happy"): (10, 10), ("b", "sad"): (0, 30)},
            {"a": (10, 1, 1.0, 1.0, 0.0), "b": (40, 2, 0.25, 0.5, 0.0)},
        ),
        # happy is right in 15 of 20, sad in 5 of 10; both groups have as many of each.
        (
            {
                ("a", "happy"): (10, 10), ("a", "sad"): (5, 5),
                ("b", "happy"): (5, 10), ("b", "sad"): (0, 5),
            },
            {"a": (15, 2, 1.0, 1.0, 1 / 3), "b": (15, 2, 1 / 3, 0.25, -1 / 3)},
        ),
        # An expression that one group alone shows cannot be compared.
        (
            {("a", "happy"): (4, 8), ("b", "happy"): (6, 8), ("b", "fear"): (1, 8)},
            {"a": (8, 1, 0.5, 0.5, -0.125), "b": (16, 2, 7 / 16, 7 / 16, 1 / 16)},
        ),
    ],
)  # fmt: skip
def test_by_hand(cells: Cells, figures: Mapping[str, tuple[int, int, float, float, float]]) -> None:
    found = scored(cells)
    for group, (name, (n, labels, *values)) in zip(found.groups, figures.items(), strict=False):
        assert (group.name, group.n, group.labels) == (name, n, labels)
        assert group.war is not None
        assert group.uar is not None
        assert group.excess is not None
        assert [group.war.value, group.uar.value, group.excess.value] == pytest.approx(values)
    assert found.groups[2].n == 0


def test_gaps_by_hand() -> None:
    found = scored({("a", "happy"): (9, 10), ("b", "happy"): (2, 10), ("c", "happy"): (5, 10)})
    assert found.gaps is not None
    for gap in (found.gaps.war, found.gaps.uar, found.gaps.excess):
        assert (gap.best, gap.worst) == ("a", "b")
        assert gap.difference.value == pytest.approx(0.7)
        low, high = gap.difference.interval
        assert 0.2 < low < 0.4 < 0.85 < high <= 1
    # With one label, that of the excess is Newcombe's interval of two proportions.
    (low_a, high_a), (low_b, high_b) = wilson(9, 10), wilson(2, 10)
    newcombe = (
        0.7 - np.hypot(0.9 - low_a, high_b - 0.2),
        0.7 + np.hypot(high_a - 0.9, 0.2 - low_b),
    )
    assert found.gaps.excess.difference.interval == pytest.approx(newcombe)


def test_the_p_value_of_two_small_groups_is_fishers() -> None:
    # Of the 20 ways to deal 3 right answers to 6 questions, 2 put all into one group.
    found = group_scores(
        answers({("a", "happy"): (3, 3), ("b", "happy"): (0, 3)}),
        LABELS, ("a", "b"), floor=1, n_draws=40_000,
    )  # fmt: skip
    assert found.gaps is not None
    assert found.gaps.p == pytest.approx(0.1, abs=0.006)


def test_small_groups_are_counted_without_figures() -> None:
    n = FLOOR - 1
    found = group_scores(
        answers({("a", "happy"): (40, 40), ("b", "happy"): (0, n), ("c", "happy"): (20, 40)}),
        LABELS,
        NAMES,
    )
    _, small, _ = found.groups
    assert (small.n, small.labels, small.is_compared) == (n, 1, False)
    assert small.war is small.uar is small.excess is None
    assert found.gaps is not None
    assert found.gaps.war.worst == "c"


def test_what_is_apart_has_figures_and_no_part_in_the_gap() -> None:
    rows = answers(
        {(name, "happy"): (right, 40) for name, right in zip(NAMES, (20, 21, 1), strict=True)}
    )
    found = group_scores([*rows, (None, "sad", "sad")], LABELS, NAMES, apart=("c",))
    *_, apart = found.groups
    assert (apart.is_compared, apart.excess, found.unknown) == (False, None, 1)
    assert apart.war is not None
    assert found.gaps is not None
    assert found.gaps.excess.worst == "a"
    assert found.gaps.p > 0.5


@pytest.mark.parametrize("cells", [{}, {("a", "happy"): (20, 40)}])
def test_fewer_than_two_groups_have_no_gap(cells: Cells) -> None:
    assert group_scores(answers(cells), LABELS, NAMES).gaps is None


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("d", "sad", "sad"), "group 'd' is not one of a, b, c"),
        (("a", "joy", None), "target 'joy'"),
    ],
)
def test_what_was_not_declared_is_refused(row: Answer, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        group_scores([row], LABELS, NAMES)


@pytest.mark.parametrize("seed", range(3))
def test_a_planted_bias_is_found(seed: int) -> None:
    gaps = gaps_of(planted(1500, {"a": 0.8, "b": 0.65, "c": 0.8}, seed))
    assert gaps.p < 0.01
    for gap in (gaps.war, gaps.uar, gaps.excess):
        assert gap.worst == "b"
        assert gap.difference.interval[0] > 0


def test_expressions_that_differ_in_frequency_are_no_bias() -> None:
    chances, easy = dict.fromkeys(NAMES, 0.6), {"a": 0.8, "b": 0.1, "c": 0.5}
    several = [gaps_of(planted(1500, chances, seed, easy=easy)) for seed in range(20)]
    # The groups' accuracies differ, but not at the same expressions.
    assert all(gaps.war.difference.value > 0.05 for gaps in several)
    assert sum(gaps.p < 0.05 for gaps in several) <= 3


def test_a_bias_that_easy_expressions_hide_is_found() -> None:
    rows = planted(4000, {"a": 0.7, "b": 0.6}, 0, easy={"a": 0.2, "b": 0.75})
    gaps = gaps_of(rows, ("a", "b"))
    assert abs(gaps.war.difference.value) < 0.03
    assert gaps.excess.worst == "b"
    assert gaps.excess.difference.value == pytest.approx(0.1, abs=0.04)
    assert gaps.p < 0.01


def test_equal_groups_have_uniform_p_values() -> None:
    equal = dict.fromkeys(NAMES, 0.7)
    p = np.array([gaps_of(planted(300, equal, seed)).p for seed in range(60)])
    assert 0.4 < p.mean() < 0.65
    assert (p < 0.05).sum() <= 7


def test_the_interval_of_an_excess_covers_what_was_planted() -> None:
    chances = {"a": 0.9, "b": 0.7}
    covered = 0
    for seed in range(60):
        low, high = gaps_of(planted(400, chances, seed), ("a", "b")).excess.difference.interval
        covered += low <= 0.2 <= high
    assert covered >= 52


def test_holm_is_over_the_attributes() -> None:
    def with_p(p: float) -> Grouping:
        gap = Gap("a", "b", Estimate(0.1, (0.0, 0.2)))
        return Grouping((), 0, Gaps(gap, gap, gap, p, p))

    groupings = {"x": with_p(0.02), "y": with_p(0.6), "z": Grouping((), 0, None)}
    found = corrected(groupings)
    assert {name: one.gaps and (one.gaps.p, one.gaps.p_holm) for name, one in found.items()} == {
        "x": (0.02, 0.04),
        "y": (0.6, 0.6),
        "z": None,
    }


tables = st.dictionaries(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(LABELS)),
    st.tuples(st.integers(0, 12), st.integers(0, 12)).map(lambda pair: (min(pair), max(pair))),
    max_size=9,
)


@given(tables, st.permutations(NAMES), st.randoms())
@settings(max_examples=25, deadline=None)
def test_names_and_orders_change_no_figure(cells: Cells, order: list[str], random: Random) -> None:
    new = dict(zip(NAMES, order, strict=True))
    rows = [(new[group or ""], target, label) for group, target, label in answers(cells)]
    random.shuffle(rows)
    one, other = scored(cells), group_scores(rows, LABELS, NAMES, floor=1, n_draws=999)
    by_name = {group.name: group for group in other.groups}
    for group in one.groups:
        same = replace(by_name[new[group.name]], name=group.name, excess=group.excess)
        assert same == group
    assert (one.gaps is None) == (other.gaps is None)
    if one.gaps and other.gaps:
        assert one.gaps.p == other.gaps.p
        assert one.gaps.excess.difference.value == pytest.approx(
            other.gaps.excess.difference.value, abs=1e-9
        )


@given(tables)
@example(
    {("a", "happy"): (0, 2), ("a", "sad"): (1, 1), ("b", "happy"): (1, 1), ("c", "sad"): (0, 1)}
)
@example({("a", "sad"): (3, 4), ("b", "happy"): (0, 3), ("b", "sad"): (6, 8)})
@settings(max_examples=40, deadline=None)
def test_figures_stay_in_their_range(cells: Cells) -> None:
    found = scored(cells)
    assert sum(group.n for group in found.groups) == sum(n for _, n in cells.values())
    weighted = 0.0
    for group in found.groups:
        for figure in (group.war, group.uar):
            if figure:
                assert 0 <= figure.interval[0] <= figure.interval[1] <= 1
        if group.excess:
            low, high = group.excess.interval
            assert -1 <= low <= group.excess.value <= high <= 1
            weighted += group.n * group.excess.value
    # What some have more than their expressions would give, others have less.
    assert weighted == pytest.approx(0, abs=1e-6)
    if found.gaps:
        assert 0 < found.gaps.p <= 1
        for gap, most in ((found.gaps.war, 1), (found.gaps.uar, 1), (found.gaps.excess, 2)):
            low, high = gap.difference.interval
            assert gap.difference.value >= 0
            assert -most <= low <= gap.difference.value <= high <= most


@given(st.integers(0, 20), st.integers(20, 30))
@settings(max_examples=20, deadline=None)
def test_groups_alike_have_no_gap(right: int, n: int) -> None:
    gaps = scored({(name, label): (right, n) for name in NAMES for label in LABELS}).gaps
    assert gaps is not None
    assert gaps.excess.difference.value == pytest.approx(0, abs=1e-9)
    assert gaps.p == 1
