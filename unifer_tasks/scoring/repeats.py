"""Several answers to one question: majority vote, pass@k and agreement, and their curves over k.

lmms-eval asks each question n times with `--repeats n`. Three figures of k of these n answers, for
k from 1 to n, each a mean over the questions:

* **majority vote**: the label that most answers chose is right, by the rule of `majority`;
* **pass@k**: at least one answer is right (Chen et al., 2021, arXiv 2107.03374);
* **agreement**: all answers were read as the same label, right or wrong.

Each is the mean over all C(n, k) choices of k answers, which are left in their order: it is counted
exactly, nothing is drawn at random, and what k answers would give is estimated without bias. With
k = 1 majority vote and pass@k are the accuracy of all answers, with k = n they are of the answers
as they were given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import comb, fsum

from unifer_tasks.scoring.intervals import Estimate, proportion

METRICS = ("majority_vote", "pass@k", "agreement")
"""What lmms-eval's tables call the three, at k = n."""

Label = str | None
"""A candidate label as a reader took it; None where it could not be read."""

VOTING_RULE = (
    "An unreadable answer has no vote, and without any vote the question is wrong. Of labels with "
    "equally many votes the one that was answered first wins."
)
"""What `majority` does, for people."""


def majority(labels: Sequence[Label]) -> Label:
    """Return the label with the most votes, the first of equal ones; None without any vote."""
    votes = Counter(label for label in labels if label is not None)
    return votes.most_common(1)[0][0] if votes else None


def agree(labels: Sequence[Label]) -> bool:
    """Return whether all answers were read as the same label."""
    return labels[0] is not None and len(set(labels)) == 1


def pass_at(k: int, n: int, right: int) -> float:
    """Estimate the chance that of k answers one is right, from n of which some are.

    Raises:
        ValueError: k is not in 1 to n, or more are right than there are.
    """
    if not 1 <= k <= n or not 0 <= right <= n:
        raise ValueError(f"pass@{k} cannot be estimated from {n} answers, {right} right")
    return 1 - comb(n - right, k) / comb(n, k)


def majority_curve(target: str, labels: Sequence[Label]) -> tuple[float, ...]:
    """Return the chance that the vote of k of the answers is right, for k = 1 to all of them.

    Args:
        target: The true label.
        labels: What the answers were read as, in their order; at least one.
    """
    # What matters of the labels is where each stands, and not which it is.
    places: dict[Label, list[int]] = {}
    for place, label in enumerate(labels):
        places.setdefault(label, []).append(place)
    unread, right = len(places.pop(None, ())), tuple(places.pop(target, ()))
    return _majority_curve(right, tuple(map(tuple, places.values())), unread)


_Places = tuple[int, ...]


@lru_cache(maxsize=1 << 16)
def _majority_curve(right: _Places, others: tuple[_Places, ...], unread: int) -> tuple[float, ...]:
    """Count the choices of answers whose vote is right.

    A choice is such if it has m > 0 right answers, and of each other label fewer than m, or m that
    all come after the first right one. So for each m and each place of the first right answer the
    choices of the labels are independent, and a product of polynomials, whose powers are the
    numbers of answers chosen, counts them for all k at once.
    """
    n = len(right) + sum(map(len, others)) + unread
    wins = [0] * (n + 1)
    for m in range(1, len(right) + 1):
        # What follows the first of the m right ones, where that matters -> choices of these.
        firsts: Counter[_Places] = Counter()
        for rank, place in enumerate(right[: len(right) - m + 1]):
            after = tuple(sum(p > place for p in part) if len(part) >= m else 0 for part in others)
            firsts[after] += comb(len(right) - rank - 1, m - 1)
        for after, ways in firsts.items():
            product = [comb(unread, c) for c in range(unread + 1)]
            for part, later in zip(others, after, strict=True):
                fewer = [comb(len(part), c) for c in range(min(m, len(part) + 1))]
                product = _times(product, [*fewer, comb(later, m)] if later >= m else fewer)
            for c, count in enumerate(product):
                wins[m + c] += ways * count
    return tuple(wins[k] / comb(n, k) for k in range(1, n + 1))


def _times(a: Sequence[int], b: Sequence[int]) -> list[int]:
    """Multiply two polynomials, given by their coefficients from the constant one up."""
    product = [0] * (len(a) + len(b) - 1)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            product[i + j] += x * y
    return product


def agreement_at(k: int, labels: Sequence[Label]) -> float:
    """Return the chance that k of the answers were all read as the same label."""
    counts = Counter(label for label in labels if label is not None)
    return sum(comb(count, k) for count in counts.values()) / comb(len(labels), k)


@dataclass(frozen=True, slots=True)
class Repeated:
    """One question and what its answers were read as.

    Attributes:
        target: The true label.
        labels: In the order of the answers; at least one.
    """

    target: str
    labels: tuple[Label, ...]


@dataclass(frozen=True, slots=True)
class AtK:
    """What k of the answers to each question show.

    The intervals are Wilson's of a mean over the questions: wider than need be for k below the
    number of answers, where the figures of the questions are not only 0 and 1.

    Attributes:
        k: How many answers.
        majority_vote: The accuracy of their vote.
        pass_at: The share of questions with a right one among them.
        agreement: The share of questions for which they are all the same label.
    """

    k: int
    majority_vote: Estimate
    pass_at: Estimate
    agreement: Estimate


@dataclass(frozen=True, slots=True)
class RepeatScores:
    """What several answers to each question show, each figure in [0, 1].

    Attributes:
        repeats: Answers to each question, n.
        questions: How many were asked so often.
        accuracy: The share of all answers that are right.
        majority_vote: The accuracy of the vote of all answers.
        agreement: The share of questions whose answers are all the same label.
        pass_at: k -> pass@k, for 1, 2, 4, ... and n.
        curve: The figures of k answers, for k = 1 to n.
    """

    repeats: int
    questions: int
    accuracy: float
    majority_vote: float
    agreement: float
    pass_at: Mapping[int, float]
    curve: tuple[AtK, ...]


def repeat_scores(asked: Sequence[Repeated]) -> RepeatScores | None:
    """Score questions that were asked several times; None if none was.

    Questions with fewer answers than the others, as a run leaves that ran out of its token
    budget, are left out.
    """
    repeats = max((len(one.labels) for one in asked), default=0)
    if repeats < 2:
        return None
    whole = [one for one in asked if len(one.labels) == repeats]
    curve = _curve(whole, repeats)
    sizes = sorted({*(2**power for power in range(repeats.bit_length())), repeats})
    last = curve[-1]
    return RepeatScores(
        repeats,
        len(whole),
        curve[0].pass_at.value,
        last.majority_vote.value,
        last.agreement.value,
        {k: curve[k - 1].pass_at.value for k in sizes},
        curve,
    )


def _curve(whole: Sequence[Repeated], repeats: int) -> tuple[AtK, ...]:
    ks = range(1, repeats + 1)
    votes = [majority_curve(one.target, one.labels) for one in whole]
    right = [one.labels.count(one.target) for one in whole]
    passed = [[pass_at(k, repeats, count) for k in ks] for count in right]
    agreed = [[agreement_at(k, one.labels) for k in ks] for one in whole]
    curves = (map(_mean, zip(*rows, strict=True)) for rows in (votes, passed, agreed))
    return tuple(AtK(*point) for point in zip(ks, *curves, strict=True))


def _mean(shares: Sequence[float]) -> Estimate:
    return proportion(fsum(shares), len(shares))
