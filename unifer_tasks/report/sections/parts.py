"""Eight and seven labels: figures of AffectNet that publications mix, each by its name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from unifer_tasks.protocol.labels import LABEL_SPACES, LabelSpace
from unifer_tasks.protocol.variants.listed import BASE, task_name
from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.report.figures.comparison import Comparison
from unifer_tasks.report.figures.parts import PARTS, Figures, PartScores, part_scores
from unifer_tasks.report.figures.tables import Percent, Points, Row, Section, Table, with_interval
from unifer_tasks.scoring.metrics import HEADLINE

_COLUMNS = ("model", "figure", "questions", *HEADLINE.values(), "WAR against the row above",
            "answers outside the labels")  # fmt: skip


def section(assessments: Sequence[Assessment], _: Sequence[Comparison]) -> Section | None:
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
