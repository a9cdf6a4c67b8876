"""Groups of questions: is a model worse on the faces of some people?

Groups show different expressions, some of which are harder than others: infants are seldom afraid,
say. So that a model that reads every face equally well is not blamed, the difference that is tested
is that at the same expressions: a group's accuracy less what the accuracies of its expressions,
over all groups that are compared, would give (indirect standardisation).

* **Test**: under the null hypothesis, the questions of one expression are equally hard in every
  group. So right and wrong answers are dealt again among the questions of each expression, and p is
  how often the best and the worst group are then at least as far apart as they are. Choosing the
  best and the worst of several groups is thereby paid for, which no test of two groups does, and
  small groups need no approximation. A deal is a multivariate hypergeometric draw for each
  expression, so no question is touched.
* **Intervals**: WAR and UAR have those of `metrics.bootstrap`; differences join the intervals of
  their parts (G. Y. Zou and A. Donner, Statistics in Medicine 27 (2008) 1693-1702), and take the
  two groups as if they had been chosen beforehand.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from unifer_tasks.scoring.intervals import SAME, Estimate, Interval, wilson
from unifer_tasks.scoring.metrics import Confusion, bootstrap, confusion, scores
from unifer_tasks.scoring.paired import with_holm

FLOOR = 30
"""Questions that a group needs for figures.

At 30, the 95 % interval of an accuracy of a half reaches 17 points to either side: differences that
matter do not show below, and figures begin to tell of single faces.
"""

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

Answer = tuple[str | None, str, str | None]
"""Group, target and label: no group where nobody said, no label where none could be read."""


@dataclass(frozen=True, slots=True)
class Group:
    """The questions of one group.

    Attributes:
        name: Its name.
        n: How many questions; a group without any is listed.
        labels: How many labels are the target of a question.
        is_compared: Whether it has a part in the gaps: it is not kept apart, and has figures.
        war: Accuracy; None below the floor, as are the other figures.
        uar: Mean recall of those labels.
        excess: Accuracy less what the groups' common accuracies of the same expressions would
            give, in [-1, 1]; None for a group that is not compared.
    """

    name: str
    n: int
    labels: int
    is_compared: bool
    war: Estimate | None = None
    uar: Estimate | None = None
    excess: Estimate | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """The difference of the best group and the worst by one measure.

    Attributes:
        best: The group that has most.
        worst: The group that has least.
        difference: Of the two; its interval is that of two groups chosen beforehand.
    """

    best: str
    worst: str
    difference: Estimate


@dataclass(frozen=True, slots=True)
class Gaps:
    """The differences of groups.

    Attributes:
        war: By accuracy, whatever the expressions.
        uar: By mean recall.
        excess: At the same expressions; this is what is tested. In [0, 2], as groups may differ in
            their expressions.
        p: How often chance alone gives such an excess or more.
        p_holm: The same, corrected by Holm over the tests that were made together.
    """

    war: Gap
    uar: Gap
    excess: Gap
    p: float
    p_holm: float


@dataclass(frozen=True, slots=True)
class Grouping:
    """Questions by one attribute.

    Attributes:
        groups: Every group, in the order that was given.
        unknown: Questions of which nobody said the group.
        gaps: Of the groups that are compared; None if these are fewer than two.
    """

    groups: tuple[Group, ...]
    unknown: int
    gaps: Gaps | None


def group_scores(
    answers: Iterable[Answer],
    labels: Sequence[str],
    names: Sequence[str],
    *,
    apart: Collection[str] = (),
    floor: int = FLOOR,
    n_draws: int = 9999,
) -> Grouping:
    """Score groups of answers and compare them.

    Args:
        answers: One for each question.
        labels: The labels of the dataset.
        names: The groups, in the order to show them.
        apart: Groups that are scored but not compared.
        floor: The fewest questions of a group with figures, at least 1.
        n_draws: Deals of the test.

    Raises:
        ValueError: A group or a target is not among those given.
    """
    counts = Counter(answers)
    found: dict[str, Counter[tuple[str, str | None]]] = {name: Counter() for name in names}
    unknown = 0
    for (group, target, label), n in counts.items():
        if group is None:
            unknown += n
        elif group in found:
            found[group][target, label] += n
        else:
            raise ValueError(f"group {group!r} is not one of {', '.join(names)}")
    parts = {name: confusion(labels, pairs) for name, pairs in found.items()}
    scored = {name: _group(name, part, floor, apart) for name, part in parts.items()}
    compared = [name for name, group in scored.items() if group.is_compared]
    if len(compared) < 2:
        return Grouping(tuple(scored.values()), unknown, None)
    table = _Table.of([parts[name] for name in compared])
    for number, name in enumerate(compared):
        scored[name] = replace(scored[name], excess=table.estimate(table.weights[number]))
    gaps = _gaps([scored[name] for name in compared], table, n_draws)
    return Grouping(tuple(scored.values()), unknown, gaps)


def corrected(groupings: Mapping[str, Grouping]) -> dict[str, Grouping]:
    """Correct the p-values of several attributes of the same answers by Holm's procedure."""
    gaps = with_holm({name: one.gaps for name, one in groupings.items() if one.gaps is not None})
    return {name: replace(one, gaps=gaps.get(name)) for name, one in groupings.items()}


def _group(name: str, part: Confusion, floor: int, apart: Collection[str]) -> Group:
    labels = int((part.counts.sum(axis=1) > 0).sum())
    if part.n < floor:
        return Group(name, part.n, labels, is_compared=False)
    values = scores(part)
    # Each group has draws of its own, which other groups do not move.
    intervals = bootstrap({name: part}).datasets[name]
    war, uar = (Estimate(values[key], intervals[key]) for key in ("accuracy", "uar"))
    return Group(name, part.n, labels, is_compared=name not in apart, war=war, uar=uar)


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """Right answers of groups by label.

    Attributes:
        hits: Right answers, shape `[groups, labels]`.
        support: Questions, of the same shape.
        weights: Shape `[groups, groups, labels]`: by which weight each cell's accuracy is in the
            excess of each group.
        bounds: The intervals of the cells' accuracies, shape `[2, groups, labels]`.
    """

    hits: Counts
    support: Counts
    weights: Floats
    bounds: Floats

    @classmethod
    def of(cls, parts: Sequence[Confusion]) -> _Table:
        hits = np.array([np.diagonal(part.counts[:, :-1]) for part in parts])
        support = np.array([part.counts.sum(axis=1) for part in parts])
        cells = zip(hits.ravel().tolist(), support.ravel().tolist(), strict=True)
        bounds = np.array([wilson(right, n) for right, n in cells])
        own = support / support.sum(axis=1, keepdims=True)
        of_label = support / np.maximum(support.sum(axis=0), 1)
        weights = own[:, None, :] * (np.eye(len(parts))[:, :, None] - of_label)
        return cls(hits, support, weights, bounds.T.reshape(2, *hits.shape))

    @property
    def accuracy(self) -> Floats:
        """The accuracy of each cell; 0 where it has no question."""
        return np.asarray(self.hits / np.maximum(self.support, 1), dtype=np.float64)

    def estimate(self, weights: Floats, most: float = 1.0) -> Estimate:
        """Return the weighted sum of the cells' accuracies, which is at most `most` either way."""
        low, high = self.bounds
        down, up = weights * (self.accuracy - low), weights * (high - self.accuracy)
        value = float((weights * self.accuracy).sum())
        below = float(np.linalg.norm(np.where(weights > 0, down, up)))
        above = float(np.linalg.norm(np.where(weights > 0, up, down)))
        return Estimate(value, _within(value, below, above, most))


def _gaps(groups: Sequence[Group], table: _Table, n_draws: int) -> Gaps:
    wars = [group.war for group in groups if group.war]
    uars = [group.uar for group in groups if group.uar]
    excess = [float((weights * table.accuracy).sum()) for weights in table.weights]
    best, worst = int(np.argmax(excess)), int(np.argmin(excess))
    difference = table.estimate(table.weights[best] - table.weights[worst], most=2.0)
    # Of equal groups it is rounding errors, which may be negative.
    difference = replace(difference, value=max(0.0, difference.value))
    p = _p_value(table, difference.value, n_draws)
    names = [group.name for group in groups]
    tested = Gap(names[best], names[worst], difference)
    return Gaps(_gap(names, wars), _gap(names, uars), tested, p, p)


def _gap(names: Sequence[str], figures: Sequence[Estimate]) -> Gap:
    values = [figure.value for figure in figures]
    best, worst = values.index(max(values)), values.index(min(values))
    (low, high), (least, most) = figures[best].interval, figures[worst].interval
    value = values[best] - values[worst]
    below = math.hypot(values[best] - low, most - values[worst])
    above = math.hypot(high - values[best], values[worst] - least)
    return Gap(names[best], names[worst], Estimate(value, _within(value, below, above)))


def _within(value: float, below: float, above: float, most: float = 1.0) -> Interval:
    return max(-most, value - below), min(most, value + above)


def _p_value(table: _Table, gap: float, n_draws: int) -> float:
    """Return the share of deals, and of what was found, with at least this gap."""
    # Neither names nor order of the groups may change what is drawn.
    cells = np.concatenate([table.support, table.hits], axis=1)
    order = np.lexsort(cells.T)
    support, hits = table.support[order], table.hits.sum(axis=0)
    random = np.random.default_rng(0)
    dealt = np.zeros((n_draws, len(support)))
    for own, right in zip(support.T, hits, strict=True):
        expected = own * (right / max(int(own.sum()), 1))
        dealt += random.multivariate_hypergeometric(own, right, n_draws, method="marginals")
        dealt -= expected
    dealt /= support.sum(axis=1)
    spread = dealt.max(axis=1) - dealt.min(axis=1)
    return (1 + int((spread >= gap - SAME).sum())) / (1 + n_draws)
