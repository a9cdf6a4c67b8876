"""Several answers to one question: majority vote, pass@k and agreement.

lmms-eval asks each question k times with `--repeats k`. Three figures beside the accuracy, each
a mean over the questions:

* **majority vote**: the label that most answers chose is right. An answer that could not be read
  has no vote; of labels with equally many votes the one that was answered first wins; without
  any vote the question is wrong.
* **pass@k**: of k answers at least one is right. From n answers, c of them right, pass@k for
  k <= n is estimated without bias as 1 - C(n-c, k) / C(n, k) (Chen et al., 2021,
  arXiv 2107.03374); for k = n that is whether any is right, for k = 1 the accuracy.
* **agreement**: all answers were read as the same label, right or wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb

METRICS = ("majority_vote", "pass@k", "agreement")
"""What lmms-eval's tables call the three."""

Label = str | None
"""A candidate label as a reader took it; None where it could not be read."""


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
class RepeatScores:
    """What several answers to each question show, each figure in [0, 1].

    Attributes:
        repeats: Answers to each question, k.
        questions: How many were asked so often.
        accuracy: The share of all answers that are right.
        majority_vote: The accuracy of the vote.
        agreement: The share of questions whose answers are all the same label.
        pass_at: k -> pass@k, for 1, 2, 4, ... and `repeats`.
    """

    repeats: int
    questions: int
    accuracy: float
    majority_vote: float
    agreement: float
    pass_at: Mapping[int, float]


def repeat_scores(asked: Sequence[Repeated]) -> RepeatScores | None:
    """Score questions that were asked several times; None if none was.

    Questions with fewer answers than the others, as a run leaves that ran out of its token
    budget, are left out.
    """
    repeats = max((len(one.labels) for one in asked), default=0)
    if repeats < 2:
        return None
    whole = [one for one in asked if len(one.labels) == repeats]
    right = [one.labels.count(one.target) for one in whole]
    n = len(whole)
    sizes = sorted({*(2**power for power in range(repeats.bit_length())), repeats})
    return RepeatScores(
        repeats,
        n,
        sum(right) / (n * repeats),
        sum(majority(one.labels) == one.target for one in whole) / n,
        sum(agree(one.labels) for one in whole) / n,
        {k: sum(pass_at(k, repeats, c) for c in right) / n for k in sizes},
    )
