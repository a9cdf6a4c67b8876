"""Runs of systems that do not exist, small enough to know by heart."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image

from data_prep.outputs.benchmark_folder import Row, open_build, write_dataset
from unifer_tasks.data.manifest import Manifest
from unifer_tasks.data.predictions import Prediction
from unifer_tasks.protocol.labels import canonical, label_space
from unifer_tasks.protocol.prompts import question, response
from unifer_tasks.protocol.variants.listed import BASE, VARIANTS, Variant
from unifer_tasks.report.figures.assessment import Assessment, assess
from unifer_tasks.report.sources.runs import Run

SMILE = "The lip corners are pulled up and the cheeks are raised. There is no furrowed brow."
N_EACH = 140
"""Questions of each of two datasets in the page that is tested; twenty of each label."""

LEFT_OUT = 7
"""Questions that the second run lacks, one of each label."""


def prediction(dataset: str, number: int, target: str, said: str) -> Prediction:
    text = response(f"{SMILE} It is sample {number}. This is {said}.", said)
    return Prediction(dataset, f"{dataset}/{number:03d}.png", target, text)


def run(
    name: str,
    predictions: Iterable[Prediction],
    *,
    variant: Variant = BASE,
    stand_in: bool | None = False,
) -> Run:
    questions = {key: question(label_space(key).labels) for key in ("rafdb", "sfew")}
    provenance = {"model": name, "pixels": "224 x 224"}
    notes = ("The run was interrupted.",)
    return Run(
        name,
        f"results/{name}",
        tuple(predictions),
        variant,
        provenance=provenance,
        stand_in=stand_in,
        questions=questions,
        notes=notes,
    )


def always(said: str, n: int, datasets: Iterable[str] = ("rafdb", "sfew")) -> list[Prediction]:
    """Answers to n questions of each dataset, whose targets go round the labels."""
    rows = []
    for dataset in datasets:
        labels = label_space(dataset).labels
        word = next(label for label in labels if canonical(label) == said)
        rows += [prediction(dataset, k, labels[k % len(labels)], word) for k in range(n)]
    return rows


def several(name: str, asked: Iterable[tuple[str, Sequence[str]]], dataset: str = "sfew") -> Run:
    """Return a run that was asked each question several times.

    Args:
        name: The model's name.
        asked: Target and answers of each question; an empty answer cannot be read.
        dataset: What the questions are of.
    """
    repeated = tuple(
        tuple(
            Prediction(dataset, f"{dataset}/{number:03d}.png", target, label=said)
            for said in answers
        )
        for number, (target, answers) in enumerate(asked)
    )
    return replace(run(name, (answers[0] for answers in repeated)), repeated=repeated)


def oracle(n: int) -> list[Prediction]:
    """Right answers, but for one truncated response, one failed request and one bare label."""
    rows = [
        prediction(row.dataset, int(row.id[-7:-4]), row.target, row.target)
        for row in always("happiness", n)
    ]
    first, second, third, *others = rows
    return [
        Prediction(first.dataset, first.id, first.target, "<think>It goes on and"),
        Prediction(second.dataset, second.id, second.target, error=True),
        Prediction(third.dataset, third.id, third.target, label=third.target),
        *others,
    ]


def assessed(*runs: Run) -> list[Assessment]:
    return list(map(assess, runs))


def three_runs(n: int) -> list[Assessment]:
    """Return a run that is nearly always right, one that is always happy, and its variant."""
    return assessed(
        run("Oracle", oracle(n)),
        run("Smiler", always("happiness", n)[:-LEFT_OUT], stand_in=True),
        run("Smiler", always("sadness", n), variant=VARIANTS["direct"], stand_in=True),
    )


def write_data(out: Path, n: int, damaged: Iterable[int] = ()) -> Path:
    """Write a benchmark folder with n one-coloured images of SFEW."""
    labels = label_space("sfew").labels

    def rows() -> Iterable[Row]:
        for k in range(n):
            picture = io.BytesIO()
            Image.new("RGB", (300, 400), (k % 256, 90, 120)).save(picture, "PNG")
            image = b"no image" if k in set(damaged) else picture.getvalue()
            yield Row(f"sfew/{k:03d}.png", image, labels[k % len(labels)])

    manifest = open_build(out, Manifest("made up", True, {}, {}))
    write_dataset(out, manifest, "sfew", rows())
    return out
