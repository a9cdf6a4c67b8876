"""Scores that others published, from `published.toml`: shown beside ours, never mixed in."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.scoring.metrics import METRICS

PUBLISHED_FILE = "published.toml"

POOLED = "pooled"
"""What the file calls all four datasets together."""


class PublishedError(ValueError):
    """The file of published scores is wrong; the message names file, entry and field."""


@dataclass(frozen=True, slots=True)
class PublishedScore:
    """A score that others measured and printed.

    Attributes:
        model: As its authors call it.
        dataset: A dataset's key, or `POOLED`.
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
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PublishedError(f"{path} is not TOML ({error})") from None
    entries = data.pop("published", [])
    if data or not isinstance(entries, list):
        raise PublishedError(f"{path}: only [[published]] tables belong there")
    scores: dict[tuple[str, ...], PublishedScore] = {}
    for number, entry in enumerate(entries, start=1):
        try:
            score = _score(entry)
            key = (score.model, score.dataset, score.metric, score.reader, score.url)
            if key in scores:
                raise ValueError("repeats an earlier entry")
        except ValueError as error:
            name = entry.get("model") if isinstance(entry, Mapping) else None
            raise PublishedError(f"{path}, entry {number} ({name}): {error}") from None
        scores[key] = score
    return tuple(scores.values())


_KINDS: Mapping[str, type] = {"score": float, "decimals": int, "n": int}


def _score(entry: Any) -> PublishedScore:
    if not isinstance(entry, Mapping):
        raise ValueError("is no table")
    known = {field.name for field in fields(PublishedScore)}
    lacking, unknown = known - entry.keys() - {"n"}, entry.keys() - known
    if lacking or unknown:
        lists = {"lacks": lacking, "has unknown": unknown}
        raise ValueError(
            "; ".join(
                f"{verb} {', '.join(sorted(names))}" for verb, names in lists.items() if names
            )
        )
    for name, value in entry.items():
        kind = _KINDS.get(name, str)
        if type(value) is not kind:
            raise ValueError(f"{name} must be of type {kind.__name__}, got {value!r}")
        if isinstance(value, str) and not value.strip():
            raise ValueError(f"{name} is empty")
    datasets = (*LABEL_SPACES, POOLED)
    if entry["dataset"] not in datasets:
        raise ValueError(f"dataset {entry['dataset']!r} is none of {', '.join(datasets)}")
    if entry["metric"] not in METRICS:
        raise ValueError(f"metric {entry['metric']!r} is none of {', '.join(METRICS)}")
    if not 0 <= entry["score"] <= 1:
        raise ValueError(f"score must be in [0, 1], got {entry['score']} (a percentage?)")
    if entry["decimals"] < 0 or entry.get("n", 1) < 1:
        raise ValueError("decimals must be at least 0, and n at least 1")
    if not entry["url"].startswith("https://"):
        raise ValueError(f"url must begin with https://, got {entry['url']!r}")
    return PublishedScore(**entry)
