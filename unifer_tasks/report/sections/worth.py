"""What a rationale is worth: whether the answer depends on the reasoning before it.

Each question is answered under all conditions (`variants.forced`), so accuracies are paired.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from unifer_tasks.data.predictions import Prediction
from unifer_tasks.protocol.variants.forced import (
    CONDITIONS,
    CUTS,
    NONE,
    OTHER,
    OWN,
    ForcedAnswers,
    read_forced,
)
from unifer_tasks.protocol.variants.listed import VARIANTS
from unifer_tasks.protocol.variants.ranking import read_ranking
from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.report.figures.comparison import why_not
from unifer_tasks.report.figures.tables import (
    Percent,
    Points,
    PValue,
    Row,
    Section,
    Table,
    with_interval,
)
from unifer_tasks.scoring.intervals import Estimate, proportion
from unifer_tasks.scoring.paired import PairedCounts, difference_interval, mcnemar, with_holm
from unifer_tasks.scoring.summary import pooled_datasets
from unifer_tasks.support.counted import counted

_TEXT = (
    "Forced answers: the likeliest candidate where the reply begins with the model's rationale "
    "from an earlier run, with its first words, with nothing, or with the rationale of another "
    "image of the dataset, one that had led to another answer where there is one. Differences, "
    "McNemar's exact test (Holm over a model's rows) and changed answers are against the own "
    "rationale, on the same questions. Followed: the answer is that of the other image's "
    "rationale. An answer that changes with the rationale depends on it. One that does not may "
    "rest on the image alone or on the same thoughts unwritten, so it does not prove a rationale "
    "unfaithful; nor does dependence prove it true. A forced answer is not what the model would "
    "have written."
)
_COLUMNS = ("model", "the reply begins with", "WAR", "changed", "followed", "against own", "p",
            "p (Holm)", "questions")  # fmt: skip
DIRECT = "direct"
"""The condition of the variant `ranked`: no rationale, and a question that asks for none."""

_NAMES: Mapping[str, str] = MappingProxyType(
    {
        **{condition: f"its first {100 * share:.0f} %" for condition, share in CUTS.items()},
        NONE: "nothing",
        OTHER: "another image's rationale",
        DIRECT: "nothing, asked for the answer alone",
    }
)


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


def section(assessments: Sequence[Assessment]) -> Section | None:
    """Return what the rationales of each run are worth; None if no answer was forced."""
    direct = {one.run.name: one for one in assessments if one.run.variant is VARIANTS["ranked"]}
    found = {
        one.run.name: measured
        for one in assessments
        if one.run.variant.forces and (measured := worth(one, direct.get(one.run.name)))
    }
    if not found:
        return None
    lacking = [
        f"{name} {counted(measured.lacking, 'question')}"
        for name, measured in found.items()
        if measured.lacking
    ]
    text = _TEXT
    if lacking:
        text += f" Left out, without a rationale or a reply: {', '.join(lacking)}."
    rows = tuple(row for name, measured in found.items() for row in _rows(name, measured))
    return Section(
        "rationale_worth",
        "What a rationale is worth",
        text,
        Table(_COLUMNS, rows, n_texts=2),
        found,
    )


def _rows(name: str, measured: Worth) -> Iterator[Row]:
    yield name, "its rationale", with_interval(Percent, measured.own), *(None,) * 5, measured.n
    for condition, title in _NAMES.items():
        if effect := measured.effects.get(condition):
            yield (
                name,
                title,
                with_interval(Percent, effect.accuracy),
                with_interval(Percent, effect.changed),
                with_interval(Percent, effect.followed),
                with_interval(Points, effect.difference),
                PValue(effect.p),
                PValue(effect.p_holm),
                effect.counts.n,
            )


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
    return Worth(len(rows), len(asked) - len(rows), proportion(hits, len(rows)), with_holm(effects))


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
        proportion(counts.both + counts.only_a, counts.n),
        Estimate(counts.difference, difference_interval(counts)),
        p,
        p,
        proportion(sum(row.answers[condition] != row.answers[OWN] for row in shared), counts.n),
        _followed(shared) if condition == OTHER else None,
    )


def _followed(rows: Sequence[_Answered]) -> Estimate | None:
    told = [row for row in rows if row.other_answer not in (None, row.answers[OWN])]
    hits = sum(row.answers[OTHER] == row.other_answer for row in told)
    return proportion(hits, len(told)) if told else None
