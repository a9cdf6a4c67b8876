"""The worth of a rationale: answers forced after it, after parts of it, and after others.

Each question is answered under all conditions (`variants.forced`), so accuracies are paired.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from unifer_tasks.data.predictions import Prediction
from unifer_tasks.protocol.variants.forced import CONDITIONS, OTHER, OWN, ForcedAnswers, read_forced
from unifer_tasks.protocol.variants.ranking import read_ranking
from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.report.figures.comparison import LEVEL, why_not
from unifer_tasks.scoring.intervals import Estimate, wilson
from unifer_tasks.scoring.paired import PairedCounts, difference_interval, mcnemar, with_holm
from unifer_tasks.scoring.summary import pooled_datasets

DIRECT = "direct"
"""The condition of the variant `ranked`: no rationale, and a question that asks for none."""


@dataclass(frozen=True, slots=True)
class Effect:
    """How a condition changes the answers, compared with those after the own rationale.

    Attributes:
        counts: The questions, by which answer is right: a is of the condition, b of the own
            rationale.
        accuracy: Under the condition, with Wilson's interval.
        difference: The accuracy less that after the own rationale on the same questions.
        p: Of McNemar's exact test that nothing changes, two-sided.
        p_holm: The same, corrected by Holm over the conditions of the run.
        changed: The share of answers that are not the one after the own rationale.
        followed: Of the questions whose other rationale had led to another answer than that after
            the own, the share answered with that other answer; None where there is none.
    """

    counts: PairedCounts
    accuracy: Estimate
    difference: Estimate
    p: float
    p_holm: float
    changed: Estimate
    followed: Estimate | None = None


@dataclass(frozen=True, slots=True)
class Worth:
    """The worth of the rationales of a run, pooled over its datasets.

    Attributes:
        n: Questions with a rationale.
        lacking: Questions without one, or whose request failed; they are left out.
        own: The accuracy after the own rationale, with Wilson's interval.
        effects: Condition -> its effect; conditions without a question are absent.
    """

    n: int
    lacking: int
    own: Estimate
    effects: Mapping[str, Effect]


@dataclass(frozen=True, slots=True)
class _Answered:
    """A question, its answers under all conditions, and which answer its other rationale had."""

    target: str
    answers: Mapping[str, str]
    other_answer: str | None


def worth(one: Assessment, direct: Assessment | None = None) -> Worth | None:
    """Measure the worth of rationales; None if no question has one.

    Args:
        one: A run of a variant that forces answers.
        direct: A run of the same model that was asked for the likelihoods at once; left out where
            it is not of the same questions.
    """
    pooled = pooled_datasets(one.strict.datasets)
    asked = [row for row in one.run.predictions if row.dataset in pooled]
    at_once = _at_once(direct) if direct and why_not(one, direct) is None else {}
    rows = [
        _answered(row, forced, at_once)
        for row in asked
        if (forced := read_forced(row.response or "")) is not None and len(forced.probabilities) > 1
    ]
    if not rows:
        return None
    hits = sum(row.answers[OWN] == row.target for row in rows)
    effects = {
        condition: effect
        for condition in (*CONDITIONS, DIRECT)
        if condition != OWN and (effect := _effect(rows, condition)) is not None
    }
    return Worth(len(rows), len(asked) - len(rows), _share(hits, len(rows)), with_holm(effects))


def _at_once(one: Assessment) -> Mapping[tuple[str, str], str]:
    return {
        (row.dataset, row.id): max(ranking, key=ranking.__getitem__)
        for row in one.run.predictions
        if (ranking := read_ranking(row.response or "")) is not None
    }


def _answered(
    row: Prediction, forced: ForcedAnswers, at_once: Mapping[tuple[str, str], str]
) -> _Answered:
    found = {condition: forced.answer(condition) for condition in CONDITIONS}
    found[DIRECT] = at_once.get((row.dataset, row.id))
    answers = {condition: answer for condition, answer in found.items() if answer is not None}
    return _Answered(row.target, answers, forced.other_answer)


def _effect(rows: Sequence[_Answered], condition: str) -> Effect | None:
    shared = [row for row in rows if condition in row.answers]
    if not shared:
        return None
    counts = PairedCounts.of(
        (row.answers[condition] == row.target, row.answers[OWN] == row.target) for row in shared
    )
    p = mcnemar(counts)
    return Effect(
        counts,
        _share(counts.both + counts.only_a, counts.n),
        Estimate(counts.difference, difference_interval(counts, LEVEL)),
        p,
        p,
        _share(sum(row.answers[condition] != row.answers[OWN] for row in shared), counts.n),
        _followed(shared) if condition == OTHER else None,
    )


def _followed(rows: Sequence[_Answered]) -> Estimate | None:
    told = [row for row in rows if row.other_answer not in (None, row.answers[OWN])]
    hits = sum(row.answers[OTHER] == row.other_answer for row in told)
    return _share(hits, len(told)) if told else None


def _share(hits: int, n: int) -> Estimate:
    return Estimate(hits / n, wilson(hits, n, LEVEL))
