"""Leaderboards and paired differences: the rows that Markdown, LaTeX and the page share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from unifer_tasks.protocol.labels import LABEL_SPACES, N_QUESTIONS, LabelSpace
from unifer_tasks.protocol.variants.listed import BASE
from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.report.figures.comparison import Comparison, Difference
from unifer_tasks.report.figures.marks import FACES, Mark, is_complete, marks, questions
from unifer_tasks.report.figures.measures import Measures
from unifer_tasks.report.figures.numbers import percent
from unifer_tasks.report.figures.published import PublishedScore
from unifer_tasks.report.figures.tables import Percent
from unifer_tasks.scoring.metrics import HEADLINE, READERS, Reader
from unifer_tasks.scoring.paired import ALPHA
from unifer_tasks.scoring.summary import MEAN, POOLED, DatasetScores, Scored

SCOPES: Mapping[str, str] = {
    POOLED: "Pooled over all answers",
    MEAN: "Mean of the datasets",
    **{dataset: space.title for dataset, space in LABEL_SPACES.items()},
}
"""Scope -> its title, in the order in which they are shown."""

MAJORITY = "majority_vote"
"""The column of the vote of all answers to a question that was asked several times."""

OVERVIEW = "overview"
TITLES: Mapping[str, str] = {OVERVIEW: "Overview", **SCOPES, POOLED: "Pooled"}
"""Scope -> its title, short enough for a button."""

_SCALE_STEP = 0.05
_MOST_NAMES = 5


@dataclass(frozen=True, slots=True)
class Scale:
    """The range of the axis of a column."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """Return where a value lies, in percent of the scale's length."""
        return round(100 * (value - self.low) / (self.high - self.low), 2)


@dataclass(frozen=True, slots=True)
class BoardRow:
    """One run, or one system of a publication, in one scope.

    Attributes:
        title: Its name.
        cells: Column -> its cell; a column that is absent has no figure.
        marks: What must not be overlooked.
        n: Answers that were counted; None for a mean of datasets, and where it is unknown.
        unreadable: The share of answers that could not be read.
        words: The median length of a response, in words.
        asked: How many questions were asked, and whether that is all of them.
        faces: What the images are.
        complete: Whether exactly the benchmark's questions of this scope were asked.
        note: Of a published row, how and by whom it was measured.
        url: Of a published row, where.
    """

    title: str
    cells: Mapping[str, Percent]
    marks: tuple[Mark, ...] = ()
    n: int | None = None
    unreadable: float | None = None
    words: float | None = None
    asked: str = ""
    faces: str = ""
    complete: bool = True
    note: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Board:
    """A leaderboard.

    Attributes:
        scope: `OVERVIEW`, or a key of `SCOPES`.
        reader: Who read the answers.
        columns: Column -> its heading.
        scale: The common scale of its columns.
        rows: The runs, in the order given.
        published: What others measured.
        questions: How many the benchmark asks in this scope; None for a mean of datasets.
    """

    scope: str
    reader: Reader
    columns: Mapping[str, str]
    scale: Scale
    rows: Sequence[BoardRow]
    published: Sequence[BoardRow]
    questions: int | None = None

    @property
    def groups(self) -> list[tuple[bool, list[BoardRow]]]:
        """(complete, rows) of the complete runs and of the others, each best first."""
        best = sorted(self.rows, key=self._accuracy, reverse=True)
        parts = [(kind, [row for row in best if row.complete is kind]) for kind in (True, False)]
        return [(kind, rows) for kind, rows in parts if rows]

    def _accuracy(self, row: BoardRow) -> float:
        cell = row.cells.get(next(iter(self.columns)))
        return -1.0 if cell is None or cell.value is None else cell.value

    @property
    def is_overview(self) -> bool:
        """Whether its columns are scopes and not metrics."""
        return self.scope == OVERVIEW


def ranked(assessments: Sequence[Assessment]) -> list[Assessment]:
    """Return the runs by pooled accuracy, the variants of a model right after its base.

    Models that were not asked everything come after those that were.
    """
    first: dict[str, tuple[bool, float]] = {}
    for one in assessments:
        accuracy = one.strict.pooled.scores["accuracy"] or 0.0
        if one.run.variant is BASE or one.run.name not in first:
            first[one.run.name] = (not one.strict.complete, -accuracy)
    return sorted(
        assessments,
        key=lambda one: (first[one.run.name], one.run.name, one.run.variant is not BASE),
    )


def verdict(assessments: Sequence[Assessment], comparisons: Sequence[Comparison]) -> str:
    """Say which run of the benchmark as published is best, and over which its lead is shown.

    Runs that were not asked everything count where no run was; "" if there is none at all.
    """
    asked = [one for one in ranked(assessments) if one.run.variant is BASE]
    asked = [one for one in asked if one.strict.complete] or asked
    found = asked[0].strict.pooled.estimate("accuracy") if asked else None
    if found is None:
        return ""
    best, *others = (one.run.title for one in asked)
    low, high = (percent(bound, 1) for bound in found.interval)
    text = f"Best: {best}, accuracy {percent(found.value, 1)} % ({low} to {high})."
    pairs = {frozenset((each.a, each.b)): each.pooled.p_holm for each in comparisons}
    tested = {title: pairs.get(frozenset((best, title))) for title in others}
    by_chance = [title for title, p in tested.items() if p is not None and p >= ALPHA]
    untested = [title for title, p in tested.items() if p is None]
    if by_chance:
        text += f" Chance may explain its lead over {_listed(by_chance)}."
    elif others and not untested:
        text += " Its lead over every other run is more than chance."
    if untested:
        text += f" It cannot be compared with {_listed(untested)}."
    return text


def _listed(names: Sequence[str]) -> str:
    shown, more = names[:_MOST_NAMES], len(names) - _MOST_NAMES
    return ", ".join(shown) + (f" and {more:,} more" if more > 0 else "")


def boards(assessments: Sequence[Assessment], published: Sequence[PublishedScore]) -> list[Board]:
    """Return the leaderboards: for each reader an overview, the pool, the mean, each dataset."""
    present = {dataset for one in assessments for dataset in one.strict.datasets}
    scopes = [scope for scope in SCOPES if scope in {POOLED, MEAN, *present}]
    return [
        board
        for reader in READERS
        for board in (
            _overview(assessments, published, reader, scopes),
            *(_board(assessments, published, reader, scope) for scope in scopes),
        )
    ]


def datasets_shown(assessments: Iterable[Assessment]) -> dict[str, LabelSpace]:
    """Return FERBench's datasets, and others that any run answered."""
    answered = {dataset for one in assessments for dataset in one.strict.datasets}
    return {
        key: space for key, space in LABEL_SPACES.items() if space.in_ferbench or key in answered
    }


def measures_of(one: Assessment, scope: str, kind: str = "all") -> Measures | None:
    """Return a run's measures over the pool or a dataset; None if there are none."""
    parts = one.measures.overall if scope == POOLED else one.measures.datasets.get(scope)
    measures: Measures | None = getattr(parts, kind) if parts else None
    return measures


def _board(
    assessments: Sequence[Assessment],
    published: Sequence[PublishedScore],
    reader: Reader,
    scope: str,
) -> Board:
    rows = []
    columns = _columns(assessments, reader, scope)
    for one in assessments:
        if part := one.summary(reader).scope(scope):
            measures = measures_of(one, scope)
            rows.append(
                BoardRow(
                    one.run.title,
                    _cells(one, part, scope, columns),
                    marks(one),
                    part.n if isinstance(part, DatasetScores) else None,
                    part.scores["unreadable"],
                    measures.words.median if measures else None,
                    questions(one, scope),
                    FACES[one.run.stand_in],
                    is_complete(one, scope),
                )
            )
    theirs = _published(
        (score for score in published if score.dataset == scope and score.metric in HEADLINE),
        lambda score: score.metric,
    )
    n = None if scope == MEAN else N_QUESTIONS
    if scope in LABEL_SPACES:
        n = LABEL_SPACES[scope].n_test or None
    return Board(scope, reader, columns, _scale([*rows, *theirs]), rows, theirs, n)


def _columns(assessments: Sequence[Assessment], reader: Reader, scope: str) -> Mapping[str, str]:
    """Return column -> heading: the metrics, and the majority vote where one was taken."""
    ks = {found.repeats for one in assessments if (found := one.repeats.get(scope)) is not None}
    if reader != "strict" or not ks:
        return HEADLINE
    return {**HEADLINE, MAJORITY: f"majority@{ks.pop() if len(ks) == 1 else 'k'}"}


def _cells(
    one: Assessment, part: Scored, scope: str, columns: Mapping[str, str]
) -> Mapping[str, Percent]:
    cells = {metric: estimate(part, metric) for metric in HEADLINE}
    found = one.repeats.get(scope)
    if found is not None and MAJORITY in columns:
        note = f"k = {found.repeats}" if columns[MAJORITY].endswith("k") else ""
        vote = found.curve[-1].majority_vote
        cells[MAJORITY] = Percent(vote.value, *vote.interval, note)
    return cells


def _overview(
    assessments: Sequence[Assessment],
    published: Sequence[PublishedScore],
    reader: Reader,
    scopes: Sequence[str],
) -> Board:
    rows = []
    for one in assessments:
        parts = {scope: one.summary(reader).scope(scope) for scope in scopes}
        cells = {scope: estimate(part, "accuracy") for scope, part in parts.items() if part}
        rows.append(
            BoardRow(
                one.run.title,
                cells,
                marks(one),
                one.summary(reader).pooled.n,
                complete=is_complete(one, POOLED),
            )
        )
    theirs = _published(
        (s for s in published if s.metric == "accuracy" and s.dataset in scopes),
        lambda score: score.dataset,
    )
    columns = {scope: TITLES[scope] for scope in scopes}
    scale = _scale([*rows, *theirs])
    return Board(OVERVIEW, reader, columns, scale, rows, theirs, N_QUESTIONS)


def estimate(part: Scored, metric: str) -> Percent:
    """Return a score with its interval."""
    low, high = part.interval(metric) or (None, None)
    return Percent(part.scores[metric], low, high)


def _published(
    scores: Iterable[PublishedScore], column: Callable[[PublishedScore], str]
) -> list[BoardRow]:
    groups: dict[tuple[str, ...], list[PublishedScore]] = {}
    for score in scores:
        key = (score.model, score.reader, score.prompt, score.by, score.source)
        groups.setdefault(key, []).append(score)
    return [
        BoardRow(
            first.model,
            {column(score): Percent(score.score, digits=score.decimals) for score in group},
            n=first.n,
            note=f"by {first.by}, reader: {first.reader}. {first.source}",
            url=first.url,
        )
        for group in groups.values()
        for first in group[:1]
    ]


def _scale(rows: Iterable[BoardRow]) -> Scale:
    """Return the narrowest scale in steps of 5 points that holds every figure."""
    values = [
        value
        for row in rows
        for cell in row.cells.values()
        for value in (cell.value, cell.low, cell.high)
        if value is not None
    ]
    if not values:
        return Scale(0, 1)
    low = math.floor(min(values) / _SCALE_STEP) * _SCALE_STEP
    high = math.ceil(max(values) / _SCALE_STEP) * _SCALE_STEP
    return Scale(low, high) if high > low else Scale(max(0, low - _SCALE_STEP), low + _SCALE_STEP)


class Duel(NamedTuple):
    """Two runs in one scope: their titles and their difference."""

    a: str
    b: str
    difference: Difference


def pairwise(comparisons: Sequence[Comparison]) -> dict[str, list[Duel]]:
    """Return scope -> its comparisons, the surest first; scopes without any are absent."""
    found: dict[str, list[Duel]] = {}
    for each in comparisons:
        for scope, difference in {POOLED: each.pooled, **each.datasets}.items():
            found.setdefault(scope, []).append(Duel(each.a, each.b, difference))
    return {
        scope: sorted(found[scope], key=lambda duel: duel.difference.p_holm)
        for scope in SCOPES
        if scope in found
    }


def duel_scale(comparisons: Sequence[Comparison]) -> Scale:
    """Return the scale on which all differences are drawn: zero lies in its middle."""
    ends = [
        abs(end)
        for each in comparisons
        for difference in (each.pooled, *each.datasets.values())
        for end in difference.interval
    ]
    widest = max(ends, default=0) or 1
    return Scale(-widest, widest)
