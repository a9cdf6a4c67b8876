"""Eight and seven labels: figures of AffectNet that publications mix, each by its name.

Of AffectNet (Mollahosseini et al., 2017, arXiv 1708.03985) some report eight expressions and some
seven, without contempt, and the two differ by points: one classifier of eight has 63.0 % over
eight and 66.3 % over seven (github.com/av-savchenko/face-emotion-recognition, `enet_b2_8`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from unifer_tasks.protocol.labels import LABEL_SPACES, LabelSpace
from unifer_tasks.protocol.variants.listed import BASE, task_name
from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.report.figures.tables import Percent, Points, Row, Section, Table, with_interval
from unifer_tasks.scoring.intervals import Estimate
from unifer_tasks.scoring.metrics import HEADLINE, bootstrap, dataset_confusion, scores
from unifer_tasks.scoring.paired import PairedCounts, difference_interval
from unifer_tasks.scoring.summary import Reading

_COLUMNS = ("model", "figure", "questions", *HEADLINE.values(), "WAR against the row above",
            "answers outside the labels")  # fmt: skip

PARTS: Mapping[str, LabelSpace] = {
    key: space for key, space in LABEL_SPACES.items() if space.part_of
}
"""The datasets that are part of another."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The scores of answers over some labels.

    Attributes:
        labels: How many labels.
        questions: How many answers.
        scores: Each of `metrics.HEADLINE`, with its interval.
    """

    labels: int
    questions: int
    scores: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class PartScores:
    """A run on a dataset, and on a part of it.

    Attributes:
        whole: The answers to all questions, with all labels as candidates; None if not asked.
        view: Those of them whose target is a label of the part; any other label is a wrong answer.
        outside: How many answers of the view are such a label.
        part: The answers to the same questions with the part's labels as candidates; None if not
            asked.
        difference: The accuracy of `part` less that of `view`, on the questions that both have.
    """

    whole: Figures | None
    view: Figures | None
    outside: int
    part: Figures | None
    difference: Estimate | None


def section(assessments: Sequence[Assessment]) -> Section | None:
    """Return the figures of each base run that was asked a dataset with a part, or the part."""
    found: dict[str, dict[str, PartScores]] = {}
    rows: list[Row] = []
    for one in assessments:
        for key, space in PARTS.items():
            scores = part_scores(one, key) if one.run.variant is BASE else None
            if scores is not None:
                found.setdefault(one.run.title, {})[key] = scores
                rows += _rows(one.run.title, space, scores)
    if not found:
        return None
    shown = [space for key, space in PARTS.items() if any(key in each for each in found.values())]
    title = " and ".join(map(_title, shown))
    text = " ".join(map(_text, shown))
    return Section("parts", title, text, Table(_COLUMNS, tuple(rows), n_texts=2), found)


def _title(space: LabelSpace) -> str:
    whole = LABEL_SPACES[space.part_of]
    return f"{whole.title} with {len(whole.labels)} and {len(space.labels)} labels"


def _text(space: LabelSpace) -> str:
    whole = LABEL_SPACES[space.part_of]
    n, fewer, without = len(whole.labels), len(space.labels), _without(space)
    return (
        f"Publications report {whole.title} over {n} labels, or over {fewer}, without {without}: "
        f"compare each with the figure of its kind. {n}-class: all questions, as FERBench asks and "
        f"pools them. {n}-class answers over {fewer} labels: the same answers, to the questions "
        f"with another target than {without}; the answer {without} is wrong. {fewer}-class: these "
        f"questions, asked without {without} among the candidates ({task_name(space.key)}), which "
        f"FERBench does not pool.{_balanced(whole)}"
    )


def _balanced(space: LabelSpace) -> str:
    """Say when two metrics are one, of a dataset with as many questions of each label."""
    counts = set(space.test_counts.values())
    if len(counts) != 1:
        return ""
    return (
        f" The official test has {counts.pop():,} images of each label, so over all of them WAR, "
        "the accuracy, equals UAR, the mean recall; of a sample they differ."
    )


def _without(space: LabelSpace) -> str:
    whole = LABEL_SPACES[space.part_of]
    return " and ".join(label for label in whole.labels if label not in space.labels)


def _rows(title: str, space: LabelSpace, scores: PartScores) -> Iterator[Row]:
    whole = LABEL_SPACES[space.part_of]
    n, fewer = len(whole.labels), len(space.labels)
    figures: Mapping[str, Figures | None] = {
        f"{whole.title}, {n}-class": scores.whole,
        f"{whole.title}, {n}-class answers over {fewer} labels": scores.view,
        f"{whole.title}, {fewer}-class": scores.part,
    }
    for name, part in figures.items():
        if part is None:
            continue
        yield (
            title,
            name,
            part.questions,
            *(with_interval(Percent, part.scores[metric]) for metric in HEADLINE),
            with_interval(Points, scores.difference) if part is scores.part else None,
            scores.outside if part is scores.view else None,
        )


def part_scores(one: Assessment, part: str) -> PartScores | None:
    """Score a run on a dataset and on a part of it; None if neither was asked.

    Args:
        one: The run.
        part: The key of the part, one of `PARTS`.
    """
    whole, labels = PARTS[part].part_of, PARTS[part].labels
    answers = {
        dataset: {
            row.prediction.id: row for row in one.readings if row.prediction.dataset == dataset
        }
        for dataset in (whole, part)
    }
    if not any(answers.values()):
        return None
    view = {id_: row for id_, row in answers[whole].items() if row.prediction.target in labels}
    return PartScores(
        _asked(one, whole),
        _figures(part, view.values()),
        sum(row.label is not None and row.label not in labels for row in view.values()),
        _asked(one, part),
        _difference(answers[part], view),
    )


def _asked(one: Assessment, dataset: str) -> Figures | None:
    """Return the scores of a dataset, with the leaderboard's intervals; None if it has none."""
    found = one.strict.datasets.get(dataset)
    if found is None or not found.n:
        return None
    headline = {name: each for name in HEADLINE if (each := found.estimate(name)) is not None}
    return Figures(len(LABEL_SPACES[dataset].labels), found.n, headline)


def _figures(dataset: str, rows: Iterable[Reading]) -> Figures | None:
    """Score answers over the labels of a dataset; None if there are none."""
    counts = dataset_confusion(dataset, ((row.prediction.target, row.label) for row in rows))
    if not counts.n:
        return None
    found, intervals = scores(counts), bootstrap({dataset: counts}).datasets[dataset]
    headline = {name: Estimate(found[name], intervals[name]) for name in HEADLINE}
    return Figures(len(counts.labels), counts.n, headline)


def _difference(a: Mapping[str, Reading], b: Mapping[str, Reading]) -> Estimate | None:
    shared = a.keys() & b.keys()
    if not shared:
        return None
    counts = PairedCounts.of((a[id_].is_right, b[id_].is_right) for id_ in shared)
    return Estimate(counts.difference, difference_interval(counts))
