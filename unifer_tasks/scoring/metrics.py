"""Score answers: accuracy, macro averages, confusion and intervals.

Everything follows from confusion counts, so one vectorised formula serves a dataset, the
pool and each replicate of a bootstrap. Two conventions:

* **strict**: macro averages run over the label space; an answer that could not be read costs
  its true class recall and gives no class precision.
* **upstream**: macro averages run over the union of true and predicted labels, with
  "unknown" as a class of its own, as scikit-learn does without `labels=`
  (zfkarl/UniFER, `eval_*/code/eval_unifer.py`).

WAR (weighted average recall) is `accuracy`; UAR (unweighted average recall) is `uar`, the
mean recall of the classes that have a question.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt

from unifer_tasks.protocol.labels import CANONICAL_LABELS, canonical, label_space
from unifer_tasks.scoring.intervals import SAME, Interval, percentiles, square_and_add, wilson

Reader = Literal["strict", "upstream"]
READERS: tuple[Reader, ...] = ("strict", "upstream")

_Counts = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Confusion:
    """How often each true label was answered with each label.

    Attributes:
        labels: The classes, in the question's order.
        counts: Shape `[classes, classes + 1]`: true label by predicted label; the last
            column counts the answers that could not be read.
    """

    labels: tuple[str, ...]
    counts: _Counts

    @property
    def n(self) -> int:
        """The number of answers."""
        return int(self.counts.sum())

    def canonical(self) -> Confusion:
        """Return the same counts under the names that all datasets share."""
        return Confusion(tuple(map(canonical, self.labels)), self.counts)


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """Confusion counts added up by class, from which metrics are computed.

    Arrays have the leading axes of the counts, which are those of a bootstrap's replicates; the
    last axis of what belongs to a class is that of the classes.

    Attributes:
        hits: Right answers of each class.
        support: Questions that have each class as their target.
        predicted: Answers that were read as each class.
        unreadable: Answers that could not be read.
        n_classes: How many classes a macro average of the reader runs over.
    """

    hits: _Counts
    support: _Counts
    predicted: _Counts
    unreadable: _Counts
    n_classes: _Counts

    @classmethod
    def of(cls, counts: _Counts, reader: Reader) -> Tally:
        """Add up the counts of confusions, as `Confusion` has them."""
        support, predicted = counts.sum(axis=-1), counts[..., :-1].sum(axis=-2)
        unreadable = counts[..., -1].sum(axis=-1)
        if reader == "upstream":
            n_classes = ((support > 0) | (predicted > 0)).sum(axis=-1) + (unreadable > 0)
        else:
            n_classes = np.full(unreadable.shape, counts.shape[-2])
        hits = np.diagonal(counts[..., :-1], axis1=-2, axis2=-1)
        return cls(hits, support, predicted, unreadable, n_classes)

    @property
    def n(self) -> _Counts:
        """All answers."""
        return np.asarray(self.support.sum(axis=-1), dtype=np.int64)

    @property
    def precision(self) -> _Floats:
        """The precision of each class; 0 where no answer was read as it."""
        return _ratio(self.hits, self.predicted)

    @property
    def recall(self) -> _Floats:
        """The recall of each class; 0 where no question has it."""
        return _ratio(self.hits, self.support)

    @property
    def f1(self) -> _Floats:
        """The F1 of each class; 0 where neither has it."""
        return _ratio(2 * self.hits, self.support + self.predicted)


_Compute = Callable[[Tally], _Floats]
_Closed = Callable[[Tally], Interval]


@dataclass(frozen=True, slots=True)
class Metric:
    """A score of confusion counts. A row of `METRICS`, from which all outputs follow.

    Attributes:
        name: Its key in files and tables of lmms-eval.
        title: Its heading in tables for people.
        compute: The counts -> the score, in [0, 1], for all replicates at once.
        closed: The counts of one confusion -> the score's interval without a draw.
        higher_is_better: Whether more is better.
        readers: By which readers lmms-eval's tables show it; `ferbench score` and the reports have
            every metric by both.
        column: Its place among the columns of the leaderboards; None for none.
        counts: For a share of the answers: whether an answer of some target and label is in it.
            lmms-eval's standard error is made of these.
    """

    name: str
    title: str
    compute: _Compute
    closed: _Closed
    higher_is_better: bool = True
    readers: tuple[Reader, ...] = ("strict",)
    column: int | None = None
    counts: Callable[[str, str | None], bool] | None = None

    def key(self, reader: Reader) -> str:
        """Return its name in lmms-eval's tables."""
        return self.name if reader == "strict" else f"{reader}_{self.name}"


def share(part: Callable[[Tally], _Counts]) -> tuple[_Compute, _Closed]:
    """Return how a share of all answers is computed, and Wilson's interval of it."""
    return (
        lambda tally: part(tally) / tally.n,
        lambda tally: wilson(int(part(tally)), int(tally.n)),
    )


def class_mean(
    score: Callable[[Tally], _Floats],
    whole: Callable[[Tally], _Counts],
    classes: Callable[[Tally], npt.NDArray[np.bool_]],
    *,
    of_share: Callable[[float], float] = lambda value: value,
    over: Callable[[Tally], _Counts] = lambda tally: tally.n_classes,
) -> tuple[_Compute, _Closed]:
    """Return how a mean over classes is computed, and an interval of it.

    Args:
        score: The score of each class.
        whole: What the hits of a class are a share of.
        classes: Which classes have a share, and so an interval; the score of the others is 0.
        of_share: Share -> score, which grows with it.
        over: How many classes the mean runs over.
    """

    def closed(tally: Tally) -> Interval:
        has = classes(tally)
        weight = 1 / int(over(tally))
        parts = []
        for hits, n in zip(tally.hits[has].tolist(), whole(tally)[has].tolist(), strict=True):
            low, high = wilson(hits, n)
            value = of_share(hits / n if n else 0.0)
            parts.append((weight, value, (of_share(low), of_share(high))))
        return square_and_add(parts)

    return lambda tally: score(tally).sum(axis=-1) / over(tally), closed


def _asked(tally: Tally) -> npt.NDArray[np.bool_]:
    return tally.support > 0


def _occurring(tally: Tally) -> npt.NDArray[np.bool_]:
    return (tally.support > 0) | (tally.predicted > 0)


def _f1(jaccard: float) -> float:
    # F1 is not a proportion, but grows with one: the hits among all that were target or answer.
    return 2 * jaccard / (1 + jaccard)


_ROWS = (
    Metric(
        "accuracy",
        "WAR",
        *share(lambda tally: tally.hits.sum(axis=-1)),
        readers=READERS,
        column=1,
        counts=lambda target, label: label == target,
    ),
    Metric(
        "macro_precision",
        "macro-precision",
        *class_mean(lambda tally: tally.precision, lambda tally: tally.predicted, _occurring),
    ),
    Metric(
        "macro_recall",
        "macro-recall",
        *class_mean(lambda tally: tally.recall, lambda tally: tally.support, _asked),
    ),
    Metric(
        "macro_f1",
        "macro-F1",
        *class_mean(
            lambda tally: tally.f1,
            lambda tally: tally.support + tally.predicted - tally.hits,
            _occurring,
            of_share=_f1,
        ),
        readers=READERS,
        column=3,
    ),
    Metric(
        "uar",
        "UAR",
        *class_mean(
            lambda tally: tally.recall,
            lambda tally: tally.support,
            _asked,
            over=lambda tally: _asked(tally).sum(axis=-1),
        ),
        column=2,
    ),
    Metric(
        "unreadable",
        "unreadable",
        *share(lambda tally: tally.unreadable),
        higher_is_better=False,
        counts=lambda _, label: label is None,
    ),
)

METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in _ROWS})
"""Name -> metric, in the order in which they are reported."""

HEADLINE: Mapping[str, str] = MappingProxyType(
    {
        metric.name: metric.title
        for metric in sorted(_ROWS, key=lambda metric: metric.column or 0)
        if metric.column is not None
    }
)
"""The columns of the leaderboards: metric -> heading."""

TASK_METRICS: Mapping[str, tuple[Metric, Reader]] = MappingProxyType(
    {
        metric.key(reader): (metric, reader)
        for reader in READERS
        for metric in _ROWS
        if reader in metric.readers
    }
)
"""Name in lmms-eval's tables -> the metric and its reader."""


@dataclass(frozen=True, slots=True)
class ClassScores:
    """One class's scores, each in [0, 1], and its counts."""

    precision: float
    recall: float
    f1: float
    support: int
    predicted: int


def confusion(labels: Sequence[str], pairs: Iterable[tuple[str, str | None]]) -> Confusion:
    """Count (target, predicted) labels; a prediction of None, or off the list, is unreadable.

    Args:
        labels: The classes.
        pairs: The pairs, or how often each of them is.

    Raises:
        ValueError: A target is not among the labels.
    """
    index = {label: position for position, label in enumerate(labels)}
    counts = np.zeros((len(labels), len(labels) + 1), dtype=np.int64)
    for (target, predicted), n in Counter(pairs).items():
        if target not in index:
            raise ValueError(f"target {target!r} is not one of {', '.join(labels)}")
        counts[index[target], index.get(predicted, -1) if predicted is not None else -1] += n
    return Confusion(tuple(labels), counts)


def dataset_confusion(dataset: str, pairs: Iterable[tuple[str, str | None]]) -> Confusion:
    """Count the answers to one dataset's questions over its label space."""
    return confusion(label_space(dataset).labels, pairs)


def pool(confusions: Iterable[Confusion]) -> Confusion:
    """Add confusions up under canonical names, over the labels that any of them has."""
    parts = [part.canonical() for part in confusions]
    present = {label for part in parts for label in part.labels}
    labels = tuple(label for label in CANONICAL_LABELS if label in present)
    counts = [_placed(part.counts, part.labels, labels) for part in parts]
    return Confusion(labels, np.sum(counts, axis=0))


def scores(part: Confusion, reader: Reader = "strict") -> dict[str, float]:
    """Return every metric of `METRICS`, each in [0, 1], or NaN where nothing was counted."""
    return {name: float(value) for name, value in _scores(part.counts, reader).items()}


def class_scores(part: Confusion) -> dict[str, ClassScores]:
    """Return precision, recall and F1 for every declared class, also at zero support."""
    tally = Tally.of(part.counts, "strict")
    columns = (tally.precision, tally.recall, tally.f1, tally.support, tally.predicted)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return {label: ClassScores(*row) for label, row in zip(part.labels, rows, strict=True)}


def mean_scores(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Return the unweighted mean of the datasets' scores; NaN of none."""
    rows = list(parts)
    return {
        name: float(np.mean([row[name] for row in rows])) if rows else math.nan for name in METRICS
    }


@dataclass(frozen=True, slots=True)
class Intervals:
    """Intervals: metric -> (low, high), as `bootstrap` makes them."""

    datasets: Mapping[str, Mapping[str, Interval]]
    pooled: Mapping[str, Interval]
    mean: Mapping[str, Interval]


def bootstrap(
    confusions: Mapping[str, Confusion],
    reader: Reader = "strict",
    *,
    replicates: int = 2000,
) -> Intervals:
    """Bootstrap the answers of each dataset and, stratified by dataset, their pool and mean.

    Drawing n answers with replacement from n answers is drawing confusion counts from a
    multinomial, so no answer is touched. Where all draws give one score (all answers right, say,
    or always the same one), Wilson's interval takes the place of the percentiles: of the
    proportion itself, or of the classes' proportions, joined as their average.

    Args:
        confusions: Dataset key -> its confusion; each with at least one answer.
        reader: The convention of the macro averages.
        replicates: Bootstrap replicates.

    Returns:
        Intervals for each dataset, the pool and the mean of the datasets.
    """
    parts = tuple((part.counts.tobytes(), part.counts.shape) for part in confusions.values())
    drawn = {
        dataset: Confusion(part.labels, counts)
        for (dataset, part), counts in zip(
            confusions.items(), _resample(parts, replicates), strict=True
        )
    }
    by_dataset = {dataset: _scores(part.counts, reader) for dataset, part in drawn.items()}
    pooled = _scores(pool(drawn.values()).counts, reader)
    mean = {name: np.mean([part[name] for part in by_dataset.values()], axis=0) for name in METRICS}
    closed = {dataset: _closed(part, reader) for dataset, part in confusions.items()}
    own = {dataset: scores(part, reader) for dataset, part in confusions.items()}
    share = 1 / len(confusions)
    closed_mean = {
        name: square_and_add((share, own[dataset][name], closed[dataset][name]) for dataset in own)
        for name in METRICS
    }
    return Intervals(
        {dataset: _intervals(part, closed[dataset]) for dataset, part in by_dataset.items()},
        _intervals(pooled, _closed(pool(confusions.values()), reader)),
        _intervals(mean, closed_mean),
    )


def _scores(counts: _Counts, reader: Reader) -> dict[str, _Floats]:
    """Return every metric; leading axes of the counts are kept."""
    tally = Tally.of(counts, reader)
    with np.errstate(invalid="ignore"):
        return {metric.name: metric.compute(tally) for metric in METRICS.values()}


def _ratio(part: npt.NDArray[np.int64], whole: npt.NDArray[np.int64]) -> _Floats:
    return np.divide(part, whole, out=np.zeros(part.shape), where=whole > 0)


@lru_cache(maxsize=4)
def _resample(
    parts: tuple[tuple[bytes, tuple[int, ...]], ...], replicates: int
) -> tuple[_Counts, ...]:
    """Draw the counts of confusions, given as bytes and shape.

    Readers that take every answer alike have the same draws.
    """
    rng = np.random.default_rng(0)
    drawn = []
    for data, shape in parts:
        flat = np.frombuffer(data, dtype=np.int64)
        counts = rng.multinomial(flat.sum(), flat / flat.sum(), size=replicates)
        counts.flags.writeable = False
        drawn.append(counts.reshape(replicates, *shape))
    return tuple(drawn)


def _placed(counts: _Counts, labels: Sequence[str], onto: Sequence[str]) -> _Counts:
    """Spread counts over a larger label space; leading axes are kept."""
    rows = np.array([onto.index(label) for label in labels])
    columns = np.append(rows, len(onto))
    placed = np.zeros((*counts.shape[:-2], len(onto), len(onto) + 1), dtype=np.int64)
    placed[..., rows[:, None], columns] = counts
    return placed


def _intervals(drawn: Mapping[str, _Floats], closed: Mapping[str, Interval]) -> dict[str, Interval]:
    """Percentiles of what was drawn; where it is one number, the interval in closed form."""
    found = {name: percentiles(values) for name, values in drawn.items()}
    return {
        name: closed[name] if math.isclose(*interval, abs_tol=SAME) else interval
        for name, interval in found.items()
    }


def _closed(part: Confusion, reader: Reader) -> dict[str, Interval]:
    """Return intervals of every metric without a draw, from Wilson's of each proportion."""
    tally = Tally.of(part.counts, reader)
    return {metric.name: metric.closed(tally) for metric in METRICS.values()}
