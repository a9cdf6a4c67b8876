"""Annotators' votes: what an accuracy against their majority hides.

FER+ (E. Barsoum et al., "Training Deep Networks for Facial Expression Recognition with
Crowd-Sourced Label Distribution", ICMI 2016) asked ten annotators about each face; the benchmark's
target is the label that most of them chose. Of n questions, each with votes for its candidates:

* **accuracy at k**: the answer is a label that at least k annotators gave, of the questions that
  have one (as the paper's multi-label learning takes every label with enough votes for right).
* **vote share**: the share of the votes that the answer got, which is how often it agrees with a
  random annotator. Nobody gets more than the share of the most voted label.
* **ceiling**: how often a random annotator agrees with the majority of the others (leave one out,
  computed from the counts). Of m labels with equally many of the other votes, each is the majority
  with probability 1 / m. It is the accuracy of one annotator, whom a model can exceed.
* **distance**: how far the model's distribution over the candidates is from that of the votes, as
  cross-entropy (one of the paper's losses), whose least value is the entropy of the votes, and
  as Jensen-Shannon distance, the root of the divergence in bits, from 0 to 1 (J. Lin, IEEE
  Transactions on Information Theory 37 (1991) 145-151; D. M. Endres and J. E. Schindelin, ibid. 49
  (2003) 1858-1860).

All shares are of the votes for candidates: votes for anything else are left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unifer_tasks.scoring.intervals import SAME, Estimate, Interval, percentiles, wilson
from unifer_tasks.scoring.repeats import Label

KS = (1, 2, 3, 5)
"""How many annotators must have given a label, for `VoteScores.at_least`."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Voted:
    """One question: what annotators chose, and what a model answered.

    Attributes:
        target: The true label.
        votes: Candidate label -> how many annotators chose it, 0 included.
        answer: The label that the model answered; None where it could not be read.
        distribution: Candidate label -> its probability by the model, in sum 1; None where there
            is none.
    """

    target: str
    votes: Mapping[str, int]
    answer: Label
    distribution: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class AtLeast:
    """The accuracy against every label that enough annotators gave.

    Attributes:
        n: Questions that have such a label.
        accuracy: The share of them whose answer is one.
    """

    n: int
    accuracy: Estimate


@dataclass(frozen=True, slots=True)
class Distance:
    """How far a model's distribution over the candidates is from that of the votes.

    Attributes:
        n: Questions with a distribution.
        cross_entropy: In nats; at least `entropy`.
        entropy: The entropy of the votes, in nats.
        jensen_shannon: The Jensen-Shannon distance, in [0, 1].
    """

    n: int
    cross_entropy: Estimate
    entropy: float
    jensen_shannon: Estimate


@dataclass(frozen=True, slots=True)
class VoteScores:
    """What the votes say of a model's answers; each figure is a mean over the questions.

    Attributes:
        n: Questions with a vote for a candidate.
        unvoted: Questions without one, which are in no figure.
        unreadable: Of the n, those whose answer could not be read: wrong, with no vote.
        accuracy: The share of answers that are the target.
        at_least: k of `KS` -> the accuracy against every label that k annotators gave; a k that no
            label reaches is left out.
        share: The share of the votes that the answer got.
        best_share: The share of the most voted label.
        ceiling: The accuracy of a random annotator; None where no question has two votes.
        gap: The accuracy less the ceiling, on the questions that have one.
        distance: Of the model's distribution; None where it has none.
    """

    n: int
    unvoted: int
    unreadable: int
    accuracy: Estimate
    at_least: Mapping[int, AtLeast]
    share: Estimate
    best_share: float
    ceiling: Estimate | None
    gap: Estimate | None
    distance: Distance | None

    @property
    def is_at_ceiling(self) -> bool:
        """Whether the accuracy cannot be told from that of an annotator."""
        return self.gap is not None and self.gap.interval[0] <= 0 <= self.gap.interval[1]


def answer_shares(answers: Sequence[Label], labels: Sequence[str]) -> Mapping[str, float] | None:
    """Return the distribution of several answers to one question; None if none could be read.

    One answer more is spread evenly over the candidates, so that what a few answers did not name
    is unlikely and not impossible (W. Perks, Journal of the Institute of Actuaries 73 (1947)
    285-334).

    Args:
        answers: What the answers were read as; unreadable ones do not count.
        labels: The candidates.
    """
    counts = [answers.count(label) for label in labels]
    if not any(counts):
        return None
    total = sum(counts) + 1
    return {label: (n + 1 / len(labels)) / total for label, n in zip(labels, counts, strict=True)}


def annotator_agreement(votes: Sequence[int]) -> float | None:
    """Return how often a random annotator agrees with the majority of the others.

    Args:
        votes: How many annotators chose each label.

    Returns:
        A probability, at most the share of the most voted label; None with fewer than two votes.
    """
    n = sum(votes)
    if n < 2:
        return None
    most = max(votes)
    if votes.count(most) > 1:
        # Whoever chose one of these is outvoted by the other.
        return 0.0
    return most / n / (1 + votes.count(most - 1))


def vote_scores(
    asked: Sequence[Voted],
    *,
    n_draws: int = 1000,
) -> VoteScores | None:
    """Score answers by annotators' votes; None if no question has a vote for a candidate.

    Intervals are percentiles of a bootstrap over the questions, the same draws for all figures.
    Where all draws give one figure, Wilson's interval takes their place.

    Args:
        asked: The questions, all of them with the same candidates.
        n_draws: Draws of the bootstrap.

    Raises:
        ValueError: A question has other candidates, a negative count, a target that is none of
            its candidates, or probabilities that are not theirs in sum 1.
    """
    for number, one in enumerate(asked):
        if problem := _problem(one, asked[0]):
            raise ValueError(f"question {number} {problem}")
    voted = [one for one in asked if any(one.votes.values())]
    if not voted:
        return None
    columns = _columns(voted)
    means = _means(columns, n_draws)
    gap = means.get("gap")
    if gap is not None and math.isclose(*gap.interval, abs_tol=SAME):
        gap = _apart(means["accuracy"], means["ceiling"])
    return VoteScores(
        n=len(voted),
        unvoted=len(asked) - len(voted),
        unreadable=sum(one.answer is None for one in voted),
        accuracy=means["accuracy"],
        at_least={
            k: AtLeast(_n(columns[name]), means[name])
            for k in KS
            if (name := f"at least {k}") in means
        },
        share=means["share"],
        best_share=means["best share"].value,
        ceiling=means.get("ceiling"),
        gap=gap,
        distance=Distance(
            _n(columns["entropy"]),
            means["cross-entropy"],
            means["entropy"].value,
            means["Jensen-Shannon"],
        )
        if "entropy" in means
        else None,
    )


def _problem(one: Voted, first: Voted) -> str | None:
    if one.votes.keys() != first.votes.keys():
        return f"has votes for {', '.join(one.votes)}, the first for {', '.join(first.votes)}"
    if min(one.votes.values(), default=0) < 0:
        return f"has {min(one.votes.values())} votes for a label"
    if one.target not in one.votes:
        return f"has the true label {one.target!r}, which is none of its candidates"
    if one.distribution is None:
        return None
    if one.distribution.keys() != one.votes.keys():
        return "has probabilities of other labels than its candidates"
    if not math.isclose(sum(one.distribution.values()), 1, abs_tol=1e-6):
        return "has probabilities that are in sum not 1"
    return None


def _columns(voted: Sequence[Voted]) -> Mapping[str, Floats]:
    """Return name -> the figure of each question; NaN where it has none."""
    labels = list(voted[0].votes)
    votes = np.array([[one.votes[label] for label in labels] for one in voted], dtype=np.float64)
    shares = votes / votes.sum(axis=1, keepdims=True)
    given = np.array([one.votes.get(one.answer or "", 0) for one in voted], dtype=np.float64)
    accuracy = np.array([one.answer == one.target for one in voted], dtype=np.float64)
    ceiling = np.array(
        [annotator_agreement(list(one.votes.values())) for one in voted], dtype=np.float64
    )
    likely = np.array(
        [[(one.distribution or {}).get(label, math.nan) for label in labels] for one in voted]
    )
    entropy = _cross_entropy(shares, shares)
    return {
        "accuracy": accuracy,
        **{
            f"at least {k}": np.where(votes.max(axis=1) >= k, (given >= k) * 1.0, math.nan)
            for k in KS
        },
        "share": given / votes.sum(axis=1),
        "best share": shares.max(axis=1),
        "ceiling": ceiling,
        "gap": accuracy - ceiling,
        "cross-entropy": _cross_entropy(shares, likely),
        "entropy": np.where(np.isnan(likely[:, 0]), math.nan, entropy),
        "Jensen-Shannon": _jensen_shannon(shares, likely),
    }


def _cross_entropy(shares: Floats, likely: Floats) -> Floats:
    """Return each row's cross-entropy; a probability that underflowed is the least number."""
    logarithms = np.log(np.maximum(likely, np.finfo(np.float64).tiny))
    return np.asarray(-(shares * logarithms).sum(axis=1) + 0.0)


def _jensen_shannon(shares: Floats, likely: Floats) -> Floats:
    middle = (shares + likely) / 2
    divergence = (
        _cross_entropy(middle, middle)
        - (_cross_entropy(shares, shares) + _cross_entropy(likely, likely)) / 2
    )
    return np.asarray(np.sqrt(np.clip(divergence / math.log(2), 0, 1)))


def _means(columns: Mapping[str, Floats], n_draws: int) -> Mapping[str, Estimate]:
    """Return the mean of each column that has a figure, with its interval."""
    table = np.stack(list(columns.values()), axis=1)
    has = ~np.isnan(table)
    both = np.concatenate([np.where(has, table, 0), has], axis=1)
    draws = np.stack(list(_drawn(both, n_draws)))
    found = {}
    for place, name in enumerate(columns):
        if not (n := int(has[:, place].sum())):
            continue
        total = float(both[:, place].sum())
        drawn = draws[:, place][~np.isnan(draws[:, place])]
        found[name] = Estimate(total / n, _interval(name, total, n, percentiles(drawn)))
    return found


def _drawn(both: Floats, n_draws: int) -> Iterator[Floats]:
    """Yield the means of each draw; NaN of a column that the draw has no figure of."""
    random, n = np.random.default_rng(0), len(both)
    half = both.shape[1] // 2
    for _ in range(n_draws):
        sums = np.bincount(random.integers(n, size=n), minlength=n) @ both
        yield np.divide(
            sums[:half], sums[half:], out=np.full(half, math.nan), where=sums[half:] > 0
        )


_UNBOUNDED = frozenset({"gap", "cross-entropy", "entropy"})
"""The columns that are not in [0, 1], for which Wilson's interval is not made."""


def _interval(name: str, total: float, n: int, drawn: Interval) -> Interval:
    alike = math.isclose(*drawn, abs_tol=SAME)
    return wilson(total, n) if alike and name not in _UNBOUNDED else drawn


def _apart(a: Estimate, b: Estimate) -> Estimate:
    """Return the difference of two estimates with the interval that surely holds it."""
    (low_a, high_a), (low_b, high_b) = a.interval, b.interval
    return Estimate(a.value - b.value, (low_a - high_b, high_a - low_b))


def _n(column: Floats) -> int:
    return int((~np.isnan(column)).sum())
