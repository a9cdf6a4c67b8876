"""Groups: whether the expressions of some people are read worse than those of others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from unifer_tasks.data.annotations import ATTRIBUTES, UNSURE
from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.report.figures.tables import (
    Percent,
    Points,
    PValue,
    Row,
    Section,
    Table,
    with_interval,
)
from unifer_tasks.scoring.groups import FLOOR, Grouping, corrected, group_scores
from unifer_tasks.scoring.paired import ALPHA

_DATASET = "rafdb"

_MOST = 6
"""Gaps that the text names; the table has them all."""

_TEXT = (
    "WAR and UAR by what annotators of RAF-DB noted at the sight of a face: impressions of "
    "strangers in the dataset's words, not identities, nor what people say of themselves. UAR is "
    "over the labels that a group has. Groups show different expressions, some of which are "
    "harder, so WAR may differ though every face is read equally well. Beside its expressions: a "
    "group's WAR less what the WAR of its expressions over all groups would give. Gap: the best "
    "group less the worst, with the interval of two groups chosen beforehand. p: how often chance "
    "gives such a gap beside the expressions, when answers are dealt again among the groups within "
    "each expression; Holm's correction is over the attributes of a run. "
    f'Groups of fewer than {FLOOR} questions are counted without figures; "{UNSURE}" is in no gap. '
    "A gap does not prove a cause: sharpness, pose, light and the labels themselves may differ "
    "between groups. Where none is found, one may be too small for so few questions."
)
_COLUMNS = ("model", "group", "questions", "labels", "WAR", "UAR",
            "beside its expressions", "p", "p (Holm)")  # fmt: skip


def section(assessments: Sequence[Assessment]) -> Section | None:
    """Return the scores by group of each run whose questions have attributes; None if none has."""
    found = {one.run.title: groupings for one in assessments if (groupings := _groupings(one))}
    if not found:
        return None
    rows = tuple(
        row
        for title, groupings in found.items()
        for attribute, grouping in groupings.items()
        for row in _rows(title, _word(attribute), grouping)
    )
    text = f"{_reading(found)} {_TEXT}"
    return Section("groups", "Groups", text, Table(_COLUMNS, rows, n_texts=2), found)


def _reading(found: Mapping[str, Mapping[str, Grouping]]) -> str:
    """Say which gaps chance does not explain, in the runs that have any."""
    if not any(own.gaps for groupings in found.values() for own in groupings.values()):
        return f"No gap is shown: no attribute has two groups of {FLOOR} questions or more."
    gaps = [
        f"{title}, {_word(attribute)}: {gap.worst} is "
        f"{100 * gap.difference.value:.1f} points behind {gap.best}"
        for title, groupings in found.items()
        for attribute, grouping in groupings.items()
        if grouping.gaps and grouping.gaps.p_holm < ALPHA
        for gap in [grouping.gaps.excess]
    ]
    if not gaps:
        return f"Chance alone explains every gap (p by Holm of at least {ALPHA})."
    more = f"; and {len(gaps) - _MOST:,} more" if len(gaps) > _MOST else ""
    return (
        f"At the same expressions, chance alone does not explain (p by Holm below {ALPHA}): "
        f"{'; '.join(gaps[:_MOST])}{more}."
    )


def _groupings(one: Assessment) -> dict[str, Grouping]:
    """Return attribute -> the groups of a run; without the attributes that no question has."""
    annotations = one.annotations.get(_DATASET, {})
    asked = [
        (annotations.get(row.prediction.id), row.prediction.target, row.label)
        for row in one.readings
        if row.prediction.dataset == _DATASET
    ]
    groupings = {}
    for attribute, names in ATTRIBUTES.items():
        answers = [
            (None if noted is None else getattr(noted, attribute), target, label)
            for noted, target, label in asked
        ]
        if any(group is not None for group, *_ in answers):
            labels = LABEL_SPACES[_DATASET].labels
            groupings[attribute] = group_scores(answers, labels, names, apart=(UNSURE,))
    return corrected(groupings)


def _rows(title: str, attribute: str, grouping: Grouping) -> Iterator[Row]:
    for group in grouping.groups:
        yield (
            title,
            f"{attribute}: {group.name}",
            group.n,
            group.labels,
            with_interval(Percent, group.war),
            with_interval(Percent, group.uar),
            with_interval(Points, group.excess),
            None,
            None,
        )
    if grouping.unknown:
        yield (title, f"{attribute}: not annotated", grouping.unknown, *[None] * 6)
    if gaps := grouping.gaps:
        yield (
            title,
            f"{attribute}: gap",
            None,
            None,
            *(with_interval(Points, gap.difference) for gap in (gaps.war, gaps.uar, gaps.excess)),
            PValue(gaps.p),
            PValue(gaps.p_holm),
        )


def _word(attribute: str) -> str:
    return attribute.replace("_", " ")
