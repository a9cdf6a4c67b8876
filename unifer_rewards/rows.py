"""Read from a training row what a response is scored against."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from numbers import Real
from types import MappingProxyType
from typing import Any

from unifer_tasks.protocol.answers.upstream import upstream_answer
from unifer_tasks.protocol.labels import UnknownDatasetError, canonical, label_space
from unifer_tasks.support.counted import counted


class RowError(ValueError):
    """A row that cannot be scored, whatever the response: a fault of the data."""


@dataclass(frozen=True, slots=True)
class Target:
    """What the response to a question is scored against.

    Attributes:
        labels: The candidate labels.
        label: The true label, one of `labels`.
        solution: The true label as spelt in the row.
        votes: Candidate label -> annotators' votes, all positive; empty if the row has none.
    """

    labels: tuple[str, ...]
    label: str
    solution: str
    votes: Mapping[str, float]


def read_target(
    data_source: str, ground_truth: str, extra_info: Mapping[str, Any] | None = None
) -> Target:
    """Read the fields of a row that verl passes to a reward function.

    Args:
        data_source: A dataset key; any name if the row lists its candidates.
        ground_truth: The true label, in the dataset's own word or its canonical name, bare
            or in an answer block, as in the paper's training script.
        extra_info: May hold `candidate_labels`, and `votes`: the number or share of annotators
            that chose each candidate.

    Raises:
        RowError: There are no candidates, the target is not among them, or the votes are not
            one non-negative number per candidate.
    """
    extra = extra_info or {}
    if not isinstance(extra, Mapping):
        raise RowError(f"extra_info must be a mapping, got {extra!r:.80}")
    labels = _candidates(data_source, extra.get("candidate_labels"))
    target = _target(labels, ground_truth) if isinstance(ground_truth, str) else None
    if target is None:
        raise RowError(
            f"ground truth {ground_truth!r} is not among the candidates {', '.join(labels)}"
        )
    votes = extra.get("votes")
    return target if votes is None else replace(target, votes=_votes(votes, labels))


@lru_cache(maxsize=1024)
def _target(labels: tuple[str, ...], ground_truth: str) -> Target | None:
    solution = upstream_answer(ground_truth)
    label_of_name = {canonical(label): label for label in labels}
    label = label_of_name.get(canonical(solution))
    return None if label is None else Target(labels, label, solution, MappingProxyType({}))


def _candidates(data_source: str, listed: Any) -> tuple[str, ...]:
    if listed is None:
        try:
            return label_space(data_source).labels
        except UnknownDatasetError as error:
            raise RowError(f"no candidates: extra_info lists none, and {error}") from None
    labels = tuple(listed) if _is_list(listed) else ()
    if not labels or not all(isinstance(label, str) for label in labels):
        raise RowError(f"candidate_labels must be a list of labels, got {listed!r}")
    return labels


def _votes(votes: Any, labels: Sequence[str]) -> dict[str, float]:
    if not _is_list(votes):
        raise RowError(f"votes must be a list of numbers, got {votes!r:.80}")
    counts = tuple(votes)
    if len(counts) != len(labels):
        raise RowError(f"{counted(len(counts), 'vote')} for {counted(len(labels), 'candidate')}")
    if not all(isinstance(count, Real) and 0 <= float(count) < math.inf for count in counts):
        raise RowError(f"votes must be non-negative numbers, got {list(counts)}")
    return {label: float(count) for label, count in zip(labels, counts, strict=True) if count}


def _is_list(value: Any) -> bool:
    """Return whether a value is a list, or an array as read from parquet."""
    return isinstance(value, Iterable) and not isinstance(value, str | bytes)
