"""What programs leave on disk, written small: lmms-eval folders, predictions, upstream's lists."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.protocol.prompts import response
from unifer_tasks.protocol.variants.listed import TASKS

Answers = Mapping[str, str]
"""Question id -> answered label, for questions whose id begins with the true label."""


def answers(dataset: str, right: int = 2, wrong: int = 1) -> dict[str, str]:
    """Right and wrong answers for each label of a dataset."""
    labels = LABEL_SPACES[dataset].labels
    return {
        f"{label}-{number}": label if number < right else labels[place - 1]
        for place, label in enumerate(labels)
        for number in range(right + wrong)
    }


def write_lines(path: Path, rows: Iterable[object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_predictions(path: Path, given: Mapping[str, Answers], **more: Any) -> Path:
    """Write a prediction file of `ferbench score`."""
    return write_lines(
        path,
        (
            {"dataset": dataset, "id": id_, "target": id_.partition("-")[0], "label": label, **more}
            for dataset, part in given.items()
            for id_, label in part.items()
        ),
    )


def write_logs(
    folder: Path,
    tasks: Mapping[str, Answers],
    *,
    date: str = "20260101_000000",
    model: str = "org/model",
    results: bool = True,
    config: Mapping[str, Any] | None = None,
    stand_in: bool = False,
    asked: int | None = None,
    rows: int | None = None,
    sha256: str = "ab" * 32,
    generation: Mapping[str, Any] | None = None,
    repeats: int = 1,
    serial: int | None = None,
) -> Path:
    """Write an lmms-eval output folder with one run of some tasks.

    Of several answers to each question (`repeats`) the last is the one given, the others fear.
    """
    for task, given in tasks.items():
        variant, dataset = TASKS[task]
        labels = LABEL_SPACES[dataset].labels
        listings = variant.listings(labels)
        lines = []
        for id_, label in given.items():
            for turn, listed in enumerate(listings):
                mark = {"variant": variant.key} if variant.key != "base" else {}
                order = {"permutation": turn} if len(listings) > 1 else {}
                target = id_.partition("-")[0]
                record = {"id": id_, "dataset": dataset, "gold": target, **mark, **order}
                text = response("The brows are raised.", label)
                others = [response("The eyes are wide.", "fear")] * (repeats - 1)
                given_text = [*others, text] if others else text
                lines.append(
                    {"filtered_resps": given_text, "accuracy": record, "input": variant.ask(listed)}
                )
        write_lines(folder / f"{date}_samples_{task}.jsonl", lines)
    if results:
        metadata = {
            "version": 1.0,
            "packages": {"unifer": "0.1.0", "torch": "2.11.0"},
            "pixels": [224, 224],
            "stand_in": stand_in,
            "sha256": dict.fromkeys(LABEL_SPACES, sha256),
        }
        configs = {
            task: {
                "metadata": metadata,
                "generation_kwargs": {"max_new_tokens": 8, **(generation or {})},
                "repeats": repeats,
            }
            for task in tasks
        }
        document = {
            "results": {task: {} for task in tasks},
            "configs": configs,
            "n-samples": {
                task: {
                    "original": rows or len(given) * (4 if "shuffled" in task else 1),
                    "effective": asked or len(given) * (4 if "shuffled" in task else 1),
                }
                for task, given in tasks.items()
            },
            "config": {"model": "unifer", "model_args": f"pretrained={model}", **(config or {})},
            "model_name": model,
            **({"ferbench_serial": serial} if serial is not None else {}),
        }
        path = folder / f"{date}_results.json"
        path.write_text(json.dumps(document), encoding="utf-8")
    return folder


def upstream_rows(dataset: str, given: Answers, root: str) -> list[dict[str, Any]]:
    """Return rows as the paper's inference scripts write them."""
    return [
        {
            "image_path": f"{root}/{id_}.jpg",
            "true_label": id_.partition("-")[0],
            "prompt": "Which expression?",
            "candidate_labels": list(LABEL_SPACES[dataset].labels),
            "model_response": response("Hm.", label),
        }
        for id_, label in given.items()
    ]
