"""Runs from the paper's inference scripts: a JSON list of objects a dataset.

Each object has `image_path`, `true_label`, `prompt`, `candidate_labels`, `model_response` and,
where the request failed, `error: true` (zfkarl/UniFER, `eval_*/code/infer_unifer.py`). The
candidate labels identify the dataset; the files of one model are one run.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from unifer_tasks.data.prediction_files import title
from unifer_tasks.data.predictions import (
    Prediction,
    PredictionError,
    Problems,
    as_prediction,
)
from unifer_tasks.protocol.labels import FERBENCH
from unifer_tasks.report.sources.runs import Run, ordered, question_hash

UPSTREAM_KEYS = ("candidate_labels", "model_response")
"""Keys that distinguish an object of these lists from a prediction of another kind."""

_SPELLED = MappingProxyType(
    {"id": "image_path", "target": "true_label", "response": "model_response"}
)
"""Column of a prediction -> its key in these lists."""

_DATASET_OF = MappingProxyType({space.labels: key for key, space in FERBENCH.items()})

# Where the published paths begin; what users put before it is not part of a question's id.
_ROOT = re.compile(r"^.*?(?=/(?:RAF-DB|FERPlus|AffectNet|SFEW-2\.0)/)")

# `sfew_2.0_unifer_7b_results.json` -> `unifer_7b`
_NAME = re.compile(r"^(?:(?:rafdb|ferplus|affectnet|sfew(?:_2\.0)?)_)?(.*?)(?:_results)?$")


def runs_of_results(files: Mapping[Path, Any]) -> list[Run]:
    """Turn result files into runs, one a model.

    Args:
        files: Path -> the parsed JSON.

    Raises:
        PredictionError: A file is not such a list, an object is malformed, or two answer the
            same question for one model.
    """
    by_model: defaultdict[tuple[Path, str], list[tuple[Path, Any]]] = defaultdict(list)
    for path, rows in sorted(files.items()):
        name = _NAME.match(path.stem)
        by_model[path.parent, name[1] if name and name[1] else path.stem].append((path, rows))
    return [_run(name, parts) for (_, name), parts in by_model.items()]


def _run(name: str, parts: Sequence[tuple[Path, Any]]) -> Run:
    predictions: dict[tuple[str, str], Prediction] = {}
    places: dict[tuple[str, str], str] = {}
    prompts: defaultdict[str, set[str]] = defaultdict(set)
    for path, rows in parts:
        problems = Problems("result")
        if not isinstance(rows, list) or not rows:
            raise PredictionError(
                f"{title(path)} holds no list of results; give the list of objects with "
                f"{' and '.join(UPSTREAM_KEYS)} that the paper's scripts write"
            )
        for number, row in enumerate(rows, start=1):
            try:
                prediction = _prediction(row)
                key = (prediction.dataset, prediction.id)
                if key in predictions:
                    raise ValueError(f"repeats {key[0]} {key[1]!r} of {places[key]}")
            except ValueError as error:
                problems.add(f"result {number:,}: {error}")
                continue
            predictions[key] = prediction
            places[key] = f"result {number:,} of {title(path)}"
            if isinstance(row.get("prompt"), str):
                prompts[prediction.dataset].add(row["prompt"])
        problems.check(title(path), len(rows) - problems.count)
    asked = [prompt for texts in prompts.values() for prompt in texts]
    return Run(
        name=name,
        source=", ".join(str(path) for path, _ in parts),
        predictions=ordered(predictions.values()),
        provenance={
            "backend": "the paper's inference scripts",
            **({"questions": question_hash(asked)} if asked else {}),
        },
        questions={dataset: texts.pop() for dataset, texts in prompts.items() if len(texts) == 1},
    )


def _prediction(row: Any) -> Prediction:
    if not isinstance(row, dict):
        raise ValueError("is not a JSON object")
    # The text of each, so that a list of anything can be looked up.
    labels = row.get("candidate_labels")
    dataset = _DATASET_OF.get(tuple(map(str, labels))) if isinstance(labels, list) else None
    if dataset is None:
        raise ValueError(
            f"`candidate_labels` are not those of a dataset: {labels!r:.80}; give those of "
            f"{', '.join(FERBENCH)}, in the order in which the paper's scripts ask them"
        )
    values = {column: row[key] for column, key in _SPELLED.items() if key in row}
    path = values.get("id", "")
    if not isinstance(path, str):
        raise ValueError(f"`image_path` must be a string, got {path!r:.60}; give the image's path")
    # Of a path of Windows the same id as of any other.
    values["id"] = _ROOT.sub("", path.replace("\\", "/"))
    error = {"error": True} if row.get("error") else {}
    return as_prediction({"dataset": dataset, **values, **error}, _SPELLED)
