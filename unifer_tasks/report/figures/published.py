"""Scores that others published, from `published.toml`: shown beside ours, never mixed in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.scoring.metrics import METRICS
from unifer_tasks.scoring.summary import POOLED
from unifer_tasks.support.records import FileError, RecordError, read_toml, record

PUBLISHED_FILE = "published.toml"


class PublishedError(FileError):
    """The file of published scores is wrong; the message names file, entry and field."""


@dataclass(frozen=True, slots=True)
class PublishedScore:
    """A score that others measured and printed.

    Attributes:
        model: As its authors call it.
        dataset: A dataset's key, or "pooled" for all four together.
        metric: One of `metrics.METRICS`.
        score: In [0, 1].
        decimals: How many digits after the point the source prints, of a percentage.
        reader: How answers were read.
        prompt: What was asked.
        by: Who measured it.
        source: Where it is printed.
        url: Its address.
        n: Questions that were scored; None where the source does not say.
    """

    model: str
    dataset: str
    metric: str
    score: float
    decimals: int
    reader: str
    prompt: str
    by: str
    source: str
    url: str
    n: int | None = None

    def __post_init__(self) -> None:
        datasets = (*LABEL_SPACES, POOLED)
        if blank := [name for name in _TEXTS if not getattr(self, name).strip()]:
            raise ValueError(f"has an empty `{blank[0]}`")
        if self.dataset not in datasets:
            raise ValueError(f"has the dataset {self.dataset!r}; it must be {_any_of(datasets)}")
        if self.metric not in METRICS:
            raise ValueError(f"has the metric {self.metric!r}; it must be {_any_of(METRICS)}")
        if not 0 <= self.score <= 1:
            raise ValueError(f"`score` must be in [0, 1], got {self.score} (a percentage?)")
        if self.decimals < 0 or (self.n is not None and self.n < 1):
            raise ValueError("`decimals` must be at least 0, and `n` at least 1")
        if not self.url.startswith("https://"):
            raise ValueError(f"`url` must begin with https://, got {self.url!r}")


_TEXTS = ("model", "reader", "prompt", "by", "source")


def _any_of(names: Iterable[str]) -> str:
    return f"one of {', '.join(names)}"


@dataclass(frozen=True, slots=True)
class _File:
    published: tuple[PublishedScore, ...] = ()


def published_scores(path: Path | None = None) -> tuple[PublishedScore, ...]:
    """Read the published scores, in the file's order.

    Args:
        path: A file like `published.toml`; the package's own by default.

    Raises:
        PublishedError: An entry lacks a field, has one too many or one of a wrong kind or
            value, or repeats another one.
        OSError: The file cannot be read.
    """
    if path is None:
        with as_file(files("unifer_tasks.report.figures") / PUBLISHED_FILE) as own:
            return published_scores(own)
    try:
        entries = record(_File, read_toml(path), closed=True).published
    except RecordError as error:
        raise PublishedError(f"{path} {error}") from None
    keys = [(each.model, each.dataset, each.metric, each.reader, each.url) for each in entries]
    for number, key in enumerate(keys):
        if key in keys[:number]:
            raise PublishedError(f"{path} `published.{number}` repeats an earlier entry")
    return entries
