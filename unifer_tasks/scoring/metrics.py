"""Answers in, scores out: accuracy, macro averages, confusion and intervals.

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
from typing import Literal

import numpy as np
import numpy.typing as npt

from unifer_tasks.protocol.labels import CANONICAL_LABELS, canonical, label_space
from unifer_tasks.scoring.intervals import Interval, square_and_add, wilson

Reader = Literal["strict", "upstream"]
READERS: tuple[Reader, ...] = ("strict", "upstream")

METRICS = ("accuracy", "macro_precision", "macro_recall", "macro_f1", "uar", "unreadable")
"""The scores of a confusion, in the order in which they are reported."""

_SAME = 1e-12
"""Scores this close differ by rounding alone."""

_Proportion = tuple[float, Interval]
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


@dataclass(frozen=True, slots=True)
class ClassScores:
    """One class's scores, each in [0, 1], and its counts."""

    precision: float
    recall: float
    f1: float
    support: int
    predicted: int


def confusion(labels: Sequence[str], pairs: Iterable[tuple[str, str | None]]) -> Confusion:
    """Count (true, predicted) labels; a prediction of None, or off the list, is unreadable.

    Args:
        labels: The classes.
        pairs: The pairs, or how often each of them is.

    Raises:
        ValueError: A true label is not among the labels.
    """
    index = {label: position for position, label in enumerate(labels)}
    counts = np.zeros((len(labels), len(labels) + 1), dtype=np.int64)
    for (true, predicted), n in Counter(pairs).items():
        if true not in index:
            raise ValueError(f"true label {true!r} is none of {', '.join(labels)}")
        counts[index[true], index.get(predicted, -1) if predicted is not None else -1] += n
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
    precision, recall, f1, support, predicted = _by_class(part.counts)
    return {
        label: ClassScores(
            float(precision[i]), float(recall[i]), float(f1[i]), int(support[i]), int(predicted[i])
        )
        for i, label in enumerate(part.labels)
    }


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
    level: float = 0.95,
    seed: int = 0,
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
        level: Coverage, in (0, 1).
        seed: Seed of the draws.

    Returns:
        Intervals for each dataset, the pool and the mean of the datasets.
    """
    rng = np.random.default_rng(seed)
    drawn = {
        dataset: Confusion(part.labels, _resample(part.counts, replicates, rng))
        for dataset, part in confusions.items()
    }
    by_dataset = {dataset: _scores(part.counts, reader) for dataset, part in drawn.items()}
    pooled = _scores(pool(drawn.values()).counts, reader)
    mean = {name: np.mean([part[name] for part in by_dataset.values()], axis=0) for name in METRICS}
    closed = {dataset: _closed(part, reader, level) for dataset, part in confusions.items()}
    own = {dataset: scores(part, reader) for dataset, part in confusions.items()}
    share = 1 / len(confusions)
    closed_mean = {
        name: square_and_add((share, own[dataset][name], closed[dataset][name]) for dataset in own)
        for name in METRICS
    }
    return Intervals(
        {dataset: _intervals(part, closed[dataset], level) for dataset, part in by_dataset.items()},
        _intervals(pooled, _closed(pool(confusions.values()), reader, level), level),
        _intervals(mean, closed_mean, level),
    )


def _by_class(
    counts: _Counts,
) -> tuple[_Floats, _Floats, _Floats, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Precision, recall, F1, support and predictions over the last axis but one."""
    hits = np.diagonal(counts[..., :-1], axis1=-2, axis2=-1)
    support = counts.sum(axis=-1)
    predicted = counts[..., :-1].sum(axis=-2)
    return (
        _ratio(hits, predicted),
        _ratio(hits, support),
        _ratio(2 * hits, support + predicted),
        support,
        predicted,
    )


def _scores(counts: _Counts, reader: Reader) -> dict[str, _Floats]:
    """Every metric; leading axes of the counts are kept."""
    precision, recall, f1, support, predicted = _by_class(counts)
    n = support.sum(axis=-1)
    unreadable = counts[..., -1].sum(axis=-1)
    if reader == "upstream":
        classes = ((support > 0) | (predicted > 0)).sum(axis=-1) + (unreadable > 0)
    else:
        classes = np.full(n.shape, counts.shape[-2])
    hits = np.diagonal(counts[..., :-1], axis1=-2, axis2=-1).sum(axis=-1)
    with np.errstate(invalid="ignore"):
        return {
            "accuracy": hits / n,
            "macro_precision": precision.sum(axis=-1) / classes,
            "macro_recall": recall.sum(axis=-1) / classes,
            "macro_f1": f1.sum(axis=-1) / classes,
            "uar": recall.sum(axis=-1) / (support > 0).sum(axis=-1),
            "unreadable": unreadable / n,
        }


def _ratio(part: npt.NDArray[np.int64], whole: npt.NDArray[np.int64]) -> _Floats:
    return np.divide(part, whole, out=np.zeros(part.shape), where=whole > 0)


def _resample(counts: _Counts, replicates: int, rng: np.random.Generator) -> _Counts:
    flat = counts.ravel()
    drawn = rng.multinomial(flat.sum(), flat / flat.sum(), size=replicates)
    return drawn.reshape(replicates, *counts.shape)


def _placed(counts: _Counts, labels: Sequence[str], onto: Sequence[str]) -> _Counts:
    """Spread counts over a larger label space; leading axes are kept."""
    rows = np.array([onto.index(label) for label in labels])
    columns = np.append(rows, len(onto))
    placed = np.zeros((*counts.shape[:-2], len(onto), len(onto) + 1), dtype=np.int64)
    placed[..., rows[:, None], columns] = counts
    return placed


def _intervals(
    drawn: Mapping[str, _Floats], closed: Mapping[str, Interval], level: float
) -> dict[str, Interval]:
    """Percentiles of what was drawn; where it is one number, the interval in closed form."""
    tails = [(1 - level) / 2, (1 + level) / 2]
    found = {}
    for name, values in drawn.items():
        low, high = np.quantile(values, tails).tolist()
        found[name] = closed[name] if math.isclose(low, high, abs_tol=_SAME) else (low, high)
    return found


def _closed(part: Confusion, reader: Reader, level: float) -> dict[str, Interval]:
    """Intervals of every metric without a draw, from Wilson's of each proportion."""
    hits = np.diagonal(part.counts).tolist()
    _, _, _, support, predicted = (row.tolist() for row in _by_class(part.counts))
    unreadable = int(part.counts[:, -1].sum())
    seen = [i for i, n in enumerate(support) if n]
    given = [i for i in range(len(hits)) if support[i] or predicted[i]]
    n_classes = len(given) + (unreadable > 0) if reader == "upstream" else len(hits)

    def average(places: Sequence[int], of: int, interval: Callable[[int], _Proportion]) -> Interval:
        return square_and_add((1 / of, *interval(i)) for i in places)

    def recall(i: int) -> _Proportion:
        return hits[i] / support[i], wilson(hits[i], support[i], level)

    def precision(i: int) -> _Proportion:
        value = hits[i] / predicted[i] if predicted[i] else 0.0
        return value, wilson(hits[i], predicted[i], level)

    def f1(i: int) -> _Proportion:
        # F1 itself is no proportion, but grows with one: the hits among all that were either.
        either = support[i] + predicted[i] - hits[i]
        low, high = wilson(hits[i], either, level)
        return _f1(hits[i] / either), (_f1(low), _f1(high))

    return {
        "accuracy": wilson(sum(hits), part.n, level),
        "macro_precision": average(given, n_classes, precision),
        "macro_recall": average(seen, n_classes, recall),
        "macro_f1": average(given, n_classes, f1),
        "uar": average(seen, len(seen), recall),
        "unreadable": wilson(unreadable, part.n, level),
    }


def _f1(jaccard: float) -> float:
    return 2 * jaccard / (1 + jaccard)
