"""Annotators' votes: whether a wrong answer is one that annotators gave too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from unifer_tasks.data.predictions import Prediction
from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.protocol.variants.ranking import read_ranking
from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.report.figures.tables import (
    Number,
    Percent,
    Points,
    Row,
    Section,
    Table,
    with_interval,
)
from unifer_tasks.scoring.summary import read
from unifer_tasks.scoring.votes import (
    KS,
    Distance,
    Voted,
    VoteScores,
    answer_shares,
    vote_scores,
)
from unifer_tasks.support.counted import counted

_TEXT = (
    "The true label is what most annotators of a face chose. Ceiling: how often a random annotator "
    "agrees with the majority of the others; a model is not one annotator and may exceed it. By 2 "
    "or more: the answer is a label that at least 2 annotators chose, of the questions that have "
    "one. Votes for the answer: the share that it got, of at most that of the most voted label. "
    "Votes for none of the candidates do not count; an unreadable answer is wrong."
)
_DISTANCE = (
    "Distance: Jensen-Shannon, from 0 to 1, between the votes and the model's distribution, which "
    "is the likelihood of each candidate, or the shares of repeated answers with one answer more "
    "spread evenly over the candidates. The cross-entropy, in nats, is at least the entropy of the "
    "votes."
)
_DISTANCE_TITLE = "Distance from the votes"
_BY_K = f"by {' / '.join(map(str, KS))} or more"
_COLUMNS = ("model", "dataset", "questions", "WAR", "ceiling", "WAR less ceiling", _BY_K,
            "votes for the answer", "of at most")  # fmt: skip
_DISTANCE_COLUMNS = ("model", "dataset", "questions", "distance", "cross-entropy",
                     "entropy of the votes")  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Measured:
    """A run's answers to the questions of one dataset that has votes.

    Attributes:
        one: The run.
        dataset: The dataset's key.
        scores: Its figures; None where no question is left.
        lacking: Questions that the data does not hold, or without votes.
        others: Questions whose true label is not the label with the most votes.
    """

    one: Assessment
    dataset: str
    scores: VoteScores | None
    lacking: int
    others: int

    @property
    def title(self) -> str:
        return LABEL_SPACES[self.dataset].title


def section(assessments: Sequence[Assessment]) -> Section | None:
    """Compare each run with the votes; None where the data has none for any of them."""
    found = [
        _measure(one, dataset)
        for one in assessments
        for dataset, questions in one.annotations.items()
        if any(each.votes is not None for each in questions.values())
    ]
    if not found:
        return None
    distances = tuple(
        _distance(each, each.scores.distance)
        for each in found
        if each.scores and each.scores.distance
    )
    figures: dict[str, dict[str, VoteScores | None]] = {}
    for each in found:
        figures.setdefault(each.one.run.title, {})[each.dataset] = each.scores
    texts = (*_reading(found), _TEXT, *([_DISTANCE] if distances else []))
    table = Table(_COLUMNS, tuple(map(_row, found)), n_texts=2)
    more = {_DISTANCE_TITLE: Table(_DISTANCE_COLUMNS, distances, n_texts=2)} if distances else {}
    lines = tuple(_left_out(found))
    return Section("votes", "Annotators' votes", " ".join(texts), table, figures, more, lines=lines)


def _measure(one: Assessment, dataset: str) -> _Measured:
    labels = LABEL_SPACES[dataset].labels
    repeated = {
        answers[0].id: answers for answers in one.run.repeated if answers[0].dataset == dataset
    }
    asked, lacking, others = [], 0, 0
    for reading in one.readings:
        row = reading.prediction
        if row.dataset != dataset:
            continue
        annotations = one.annotations[dataset].get(row.id)
        if annotations is None or annotations.votes is None:
            lacking += 1
            continue
        votes = dict(zip(labels, annotations.votes, strict=True))
        if votes[row.target] < max(votes.values()):
            others += 1
            continue
        distribution = _distribution(one, row, repeated.get(row.id, ()))
        asked.append(Voted(row.target, votes, reading.label, distribution))
    scores = vote_scores(asked)
    unvoted = scores.unvoted if scores else len(asked)
    return _Measured(one, dataset, scores, lacking + unvoted, others)


def _distribution(
    one: Assessment, row: Prediction, answers: Sequence[Prediction]
) -> Mapping[str, float] | None:
    """Return the model's distribution over the candidates of a question; None if it has none."""
    labels = LABEL_SPACES[row.dataset].labels
    if one.run.variant.ranks:
        ranking = read_ranking(row.response or "")
        return ranking if ranking and ranking.keys() == set(labels) else None
    read_as = [read(each, "strict", one.run.variant.read).label for each in answers]
    return answer_shares(read_as, labels)


def _reading(found: Sequence[_Measured]) -> Iterator[str]:
    """Say of the first run how its figures are to be read."""
    for each in found:
        scores = each.scores
        if scores is None or scores.ceiling is None or scores.gap is None:
            continue
        points = f"{100 * abs(scores.gap.value):.1f} points"
        if scores.is_at_ceiling:
            verdict = "cannot be told from"
            meaning = "it meets the majority about as often as one annotator does"
        elif scores.gap.value < 0:
            verdict = f"is {points} below"
            meaning = "one annotator meets the majority more often"
        else:
            verdict = f"is {points} above"
            meaning = "it meets the majority more often than one annotator does"
        yield (
            f"The WAR of {each.one.run.title}, {100 * scores.accuracy.value:.1f} %, "
            f"{verdict} the ceiling of {100 * scores.ceiling.value:.1f} % ({each.title}): "
            f"{meaning}."
        )
        return


def _left_out(found: Sequence[_Measured]) -> Iterator[str]:
    """Say which questions are in no figure."""
    for each in found:
        run = f"{each.one.run.title}, {each.title}"
        if each.lacking:
            yield f"{run}: {counted(each.lacking, 'question')} without votes left out."
        if each.others:
            yield (
                f"{run}: {counted(each.others, 'question')} left out whose true label is not the "
                "one with the most votes; the data folder is of another build than was asked."
            )


def _row(each: _Measured) -> Row:
    scores = each.scores
    if scores is None:
        return (each.one.run.title, each.title, 0, *[None] * (len(_COLUMNS) - 3))
    return (
        each.one.run.title,
        each.title,
        scores.n,
        with_interval(Percent, scores.accuracy),
        with_interval(Percent, scores.ceiling),
        with_interval(Points, scores.gap),
        tuple(
            Percent(scores.at_least[k].accuracy.value if k in scores.at_least else None) for k in KS
        ),
        with_interval(Percent, scores.share),
        Percent(scores.best_share),
    )


def _distance(each: _Measured, found: Distance) -> Row:
    return (
        each.one.run.title,
        each.title,
        found.n,
        with_interval(Number, found.jensen_shannon),
        with_interval(Number, found.cross_entropy),
        round(found.entropy, 3),
    )
