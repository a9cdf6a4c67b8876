"""Which question of the benchmark a sample's number means.

With `--predict_only` lmms-eval logs no record of ours: a sample has the number of its question
in the data, the true label and the response. The data says which question that is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from unifer_tasks.data.logs import Log
from unifer_tasks.data.manifest import (
    DATA_VARIABLE,
    DataError,
    data_root,
    dataset_path,
    read_manifest,
    sha256,
)
from unifer_tasks.data.results_file import PredictionError
from unifer_tasks.protocol.labels import label_space
from unifer_tasks.protocol.variants.listed import Variant


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A row of a task's data.

    Attributes:
        id: The question's id in its dataset.
        target: The true label.
        permutation: Which order of the candidates was asked, from 0.
        text: What was asked.
    """

    id: str
    target: str
    permutation: int
    text: str


def asked_questions(log: Log) -> tuple[AskedQuestion, ...]:
    """Return the questions of a log's task, by lmms-eval's number.

    Raises:
        PredictionError: The data that was asked is not at hand.
    """
    recorded = log.sha256.get(label_space(log.dataset).data_key)
    for path in _candidates(log):
        if recorded is None or sha256(path) == recorded:
            return questions_of_file(path, log.dataset, log.variant)
    known = f" (sha256 {recorded})" if recorded else ""
    raise PredictionError(
        f"{log.path} was written with --predict_only and names its questions by number alone; set "
        f"{DATA_VARIABLE} to the data that was asked{known}"
    )


def questions_of_file(path: Path, dataset: str, variant: Variant) -> tuple[AskedQuestion, ...]:
    """Return the questions that a variant's task makes of a dataset's file, in its order."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.read_table(path, columns=["id", "target"])
        ids, targets = (table.column(name).to_pylist() for name in ("id", "target"))
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} holds no questions ({error}); build it again") from None
    labels = label_space(dataset).labels
    texts = [variant.ask(listed) for listed in variant.listings(labels)]
    return tuple(
        AskedQuestion(id_, target, permutation, text)
        for id_, target in zip(ids, targets, strict=True)
        # A part asks some questions of its file.
        if target in labels
        for permutation, text in enumerate(texts)
    )


def _candidates(log: Log) -> Iterator[Path]:
    """Give where the data may lie: where the run read it, then where it is now."""
    files = log.task_config.dataset_kwargs
    recorded = files.get("data_files") if files else None
    if isinstance(recorded, dict) and (path := Path(str(recorded.get("test")))).is_file():
        yield path
    if os.environ.get(DATA_VARIABLE):
        try:
            root = data_root()
            yield dataset_path(root, read_manifest(root), log.dataset)
        except DataError:
            return
