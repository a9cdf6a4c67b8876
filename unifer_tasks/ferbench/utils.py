"""The functions that the task files of this folder call.

lmms-eval loads this file by path, once for each `!function` of each task file, and resolves
a name by `getattr`. So names made on demand (`__getattr__` below) can hold what is only known
when a task is selected, where the data lies and how its results are to be headed, and what
differs from variant to variant.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from typing import Any

from loguru import logger

from unifer_tasks.data.headings import GROUPS, heading
from unifer_tasks.data.manifest import data_root, intact_path, read_manifest
from unifer_tasks.protocol.answers.outcomes import request_failed
from unifer_tasks.protocol.answers.upstream import read_upstream
from unifer_tasks.protocol.images import IMAGE_SIZE
from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.protocol.variants.corruptions import condition_of, corrupt, seed_of
from unifer_tasks.protocol.variants.forced import read_forced
from unifer_tasks.protocol.variants.listed import BASE, TASKS, VARIANTS, Variant, marks, orders
from unifer_tasks.protocol.variants.ranking import read_ranking
from unifer_tasks.scoring.metrics import (
    TASK_METRICS,
    Confusion,
    Reader,
    dataset_confusion,
    pool,
    scores,
)
from unifer_tasks.scoring.repeats import METRICS as REPEAT_METRICS
from unifer_tasks.scoring.repeats import agree, majority, pass_at

Record = Mapping[str, Any]

TASK_VERSION = 1.0
"""Rises whenever the same responses would be asked for or scored otherwise."""

BASELINE_KEY = "score"
"""Where lmms-eval's `--baseline` looks for a question's score."""

_PACKAGES = ("unifer", "lmms-eval", "transformers", "torch")


def doc_to_visual(doc: Record, variant: Variant = BASE) -> list[Any]:
    """Return the question's image, in the base at the protocol's size."""
    if variant.corrupts:
        asked = doc["dataset"], doc["id"]
        condition = condition_of(*asked, variant.corrupts)
        return [corrupt(doc["image"], condition, seed_of(*asked), doc.get("landmarks"))]
    return [variant.show(doc["image"])]


def doc_to_text(doc: Record, variant: Variant = BASE) -> str:
    """Return the question's text, the same for every model."""
    return variant.ask(doc["candidate_labels"])


def doc_to_target(doc: Record) -> str:
    """Return the true label, in the dataset's own word."""
    return str(doc["target"])


def in_every_order(docs: Any) -> Any:
    """Repeat each question once for each order of its candidates, one after another.

    Args:
        docs: A `datasets.Dataset`; its images are not copied.
    """
    from datasets import concatenate_datasets

    labels = docs["candidate_labels"]
    features = docs.features
    docs = docs.remove_columns("candidate_labels")
    copies = [
        docs.add_column(
            "candidate_labels", list(listed), feature=features["candidate_labels"]
        ).add_column("permutation", [permutation] * len(docs))
        for permutation, listed in enumerate(zip(*map(orders, labels), strict=True))
    ]
    together = concatenate_datasets(copies)
    n = len(docs)
    return together.select([row for first in range(n) for row in range(first, len(together), n)])


def in_part(docs: Any, dataset: str) -> Any:
    """Keep the questions of a dataset that is part of another, and ask them with its candidates.

    Args:
        docs: A `datasets.Dataset` of the whole; its images are not decoded.
        dataset: The part's key.
    """
    labels = LABEL_SPACES[dataset].labels
    features = docs.features
    docs = docs.select([row for row, target in enumerate(docs["target"]) if target in labels])
    columns = {"candidate_labels": list(labels), "dataset": dataset}
    for name, value in columns.items():
        docs = docs.remove_columns(name).add_column(
            name, [value] * len(docs), feature=features[name]
        )
    return docs


class EveryAnswer:
    """The filter that hands every answer to `process_results`; lmms-eval's drops all but one."""

    def apply(self, responses: Iterable[list[str]], docs: Any) -> list[str | list[str]]:
        """Return the answers to each question: a list of them if it was asked several times."""
        return [given if len(given) > 1 else "".join(given) for given in responses]


def process_results(
    doc: Record, results: Sequence[str], variant: Variant = BASE
) -> dict[str, dict[str, Any] | float]:
    """Read the responses to one question with both readers.

    Each metric gets what it counts, which lmms-eval logs beside the response. The log drops
    the question, so the record of the accuracy says which one it was and what became of it;
    `unifer_tasks.protocol.variants.listed` says what it has beside that. Asked several times
    (`--repeats`), the metrics count every answer, their records hold a list in the place of a
    label, and there are metrics of `unifer_tasks.scoring.repeats`. The number `score` is what
    `--baseline` compares.
    """
    dataset, target = doc["dataset"], doc["target"]
    answers = [variant.read(response, dataset) for response in results]
    labels = tuple(answer.label for answer in answers)
    # The key `gold` stays: logs of earlier runs have it, and other programs read it.
    common = {"dataset": dataset, "gold": target}
    strict = {**common, **_listed("prediction", labels)}
    upstream = {**common, **_upstream_predictions(results, dataset)}
    records: dict[str, dict[str, Any] | float] = {}
    for name, (metric, reader) in TASK_METRICS.items():
        record = strict if reader == "strict" else upstream
        if name == "accuracy":
            asked = {"id": doc["id"], **marks(variant, doc)}
            outcomes = _listed("outcome", [answer.outcome.value for answer in answers])
            record = {**asked, **strict, **outcomes}
            if variant.ranks:
                record |= _likelihoods(results[0], variant)
        if reader == "strict" and metric.counts is not None:
            # Where lmms-eval takes its standard error of the mean from.
            counted = sum(metric.counts(target, label) for label in labels)
            record = {**record, "score": counted / len(labels)}
        records[name] = record
    if len(labels) > 1:
        records |= _repeated(target, labels)
    return {**records, BASELINE_KEY: labels.count(target) / len(labels)}


def _listed(name: str, values: Sequence[Any]) -> dict[str, Any]:
    """Return a value under its name; several, as a list under the plural."""
    return {name: values[0]} if len(values) == 1 else {f"{name}s": list(values)}


def _likelihoods(response: str, variant: Variant) -> dict[str, Any]:
    if not variant.forces:
        return {"probabilities": read_ranking(response)}
    found = read_forced(response)
    return {
        "forced": found and found.probabilities,
        "other_answer": found and found.other_answer,
    }


def _values(record: Record, name: str) -> Sequence[Any]:
    """Return what `_listed` wrote."""
    return record[f"{name}s"] if f"{name}s" in record else [record[name]]


def _repeated(target: str, labels: Sequence[str | None]) -> dict[str, float]:
    n, right = len(labels), labels.count(target)
    found = (majority(labels) == target, pass_at(n, n, right), agree(labels))
    return {name: float(value) for name, value in zip(REPEAT_METRICS, found, strict=True)}


def _upstream_predictions(responses: Sequence[str], dataset: str) -> dict[str, Any]:
    """Return what upstream reads; None for an error, which it leaves out of its denominator."""
    own, pooled = (
        [
            None if request_failed(text) else read_upstream(text, dataset, pooled=pooled)
            for text in responses
        ]
        for pooled in (False, True)
    )
    return {**_listed("prediction", own), **_listed("pooled_prediction", pooled)}


class Score(float):
    """A metric's value that keeps the counts it came from, so that a group can pool it."""

    name: str
    reader: Reader
    counts: Confusion

    @classmethod
    def of(cls, name: str, reader: Reader, own: Confusion, pooled: Confusion) -> Score:
        """Compute a metric.

        Args:
            name: The metric, one of `metrics.METRICS`.
            reader: The convention of its macro average.
            own: The counts that give the value.
            pooled: The counts to add up with those of other datasets.
        """
        score = cls(scores(own, reader)[name])
        score.name, score.reader, score.counts = name, reader, pooled
        return score


def _aggregate(name: str, reader: Reader, records: Sequence[Record]) -> Score:
    own = _confusion(records, reader, "prediction")
    pooled_key = "prediction" if reader == "strict" else "pooled_prediction"
    return Score.of(name, reader, own, _confusion(records, reader, pooled_key))


def _confusion(records: Sequence[Record], reader: Reader, key: str) -> Confusion:
    pairs = [
        (record["gold"], label)
        for record in records
        for label in _values(record, key)
        if reader == "strict" or label is not None
    ]
    return dataset_confusion(records[0]["dataset"], pairs)


def pooled(parts: Sequence[Score], sizes: Sequence[int], weight_by_size: bool) -> Score:
    """Compute a metric over the answers of all datasets, instead of averaging the datasets."""
    first = parts[0]
    counts = pool(score.counts for score in parts)
    return Score.of(first.name, first.reader, counts, counts)


def _data(dataset: str) -> dict[str, Any]:
    root = data_root()
    manifest = read_manifest(root)
    path = intact_path(root, manifest, dataset)
    if caveat := manifest.caveat([dataset]):
        logger.warning(f"ferbench_{dataset} is not the benchmark: {caveat} ({root})")
    # `datasets` takes the path for a pattern.
    return {"data_files": {"test": glob.escape(str(path))}}


def _metadata() -> dict[str, Any]:
    """Return what the results file records of a run: lmms-eval copies it from the task."""
    manifest = read_manifest(data_root())
    return {
        "version": TASK_VERSION,
        "packages": {name: version(name) for name in _PACKAGES},
        "pixels": list(IMAGE_SIZE),
        "stand_in": manifest.stand_in,
        "sha256": {dataset: file.sha256 for dataset, file in manifest.datasets.items()},
    }


def __getattr__(name: str) -> Any:
    if name in TASK_METRICS:
        metric, reader = TASK_METRICS[name]
        return partial(_aggregate, metric.name, reader)
    if name == "metadata":
        return _metadata()
    kind, _, rest = name.partition("_")
    if kind == "data" and rest in LABEL_SPACES:
        return _data(rest)
    if kind == "part" and rest in LABEL_SPACES:
        return partial(in_part, dataset=rest)
    if kind == "alias" and (rest in TASKS or rest in GROUPS):
        return heading(rest)
    if kind in _OF_VARIANT and rest in VARIANTS:
        return partial(_OF_VARIANT[kind], variant=VARIANTS[rest])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


_OF_VARIANT: Mapping[str, Callable[..., Any]] = {
    "visual": doc_to_visual,
    "text": doc_to_text,
    "results": process_results,
}
