"""A stand-in FERBench with synthetic faces: the shape of the benchmark, none of its images."""

from __future__ import annotations

import hashlib
import io
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version

import numpy as np

from data_prep.outputs.benchmark_folder import Row, open_build, write_dataset
from data_prep.sources.index import Question
from data_prep.support.output import Output
from data_prep.synthetic.annotators import BIASED, annotate, columns_of, draw_attributes
from data_prep.synthetic.faces import Face, paint, sample_face
from unifer_tasks.data.manifest import SYNTHETIC, Manifest
from unifer_tasks.protocol.labels import FERBENCH, WITH_FILES, canonical, label_space


@dataclass(frozen=True, slots=True)
class _Format:
    """How a dataset's own files look: size in pixels (width, height), mode and encoding."""

    size: tuple[int, int]
    gray: bool
    encoding: str


_FORMATS: Mapping[str, _Format] = {
    "rafdb": _Format((100, 100), gray=False, encoding="JPEG"),
    "ferplus": _Format((48, 48), gray=True, encoding="PNG"),
    "affectnet": _Format((256, 256), gray=False, encoding="JPEG"),
    "sfew": _Format((143, 181), gray=False, encoding="PNG"),
}
_USUAL = _Format((224, 224), gray=False, encoding="JPEG")
"""The format of any other dataset."""

_ANNOTATIONS_STREAM = 3
"""The last of four seed numbers; those of training faces end with 1 or 2."""

Targets = Mapping[str, list[tuple[str, str]]]
"""Dataset key -> (id, target) of each question, in order."""


def targets_of_counts(per_class: int | None, seed: int) -> dict[str, list[tuple[str, str]]]:
    """Make up questions with the benchmark's class counts, or equally many per class.

    Args:
        per_class: Questions for each label of every dataset; None for the benchmark's own datasets
            and counts.
        seed: Seed of the order. Labels are mixed, so that a run over the first few questions
            covers several of them.
    """
    targets = {}
    for dataset, space in (FERBENCH if per_class is None else WITH_FILES).items():
        labels = [
            label
            for label in space.labels
            for _ in range(space.test_counts[label] if per_class is None else per_class)
        ]
        order = np.random.default_rng([seed, stream_of(dataset)]).permutation(len(labels))
        targets[dataset] = [
            (f"drawn/{dataset}/{number:05d}", labels[position])
            for number, position in enumerate(order)
        ]
    return targets


def targets_of_index(index: Mapping[str, Iterable[Question]]) -> dict[str, list[tuple[str, str]]]:
    """Take ids and labels from the published question files."""
    return {
        dataset: [(question.id, question.target) for question in questions]
        for dataset, questions in index.items()
    }


def build(
    output: Output,
    targets: Targets,
    *,
    seed: int,
    recipe: Mapping[str, object],
    bias: float = 0.0,
) -> Manifest:
    """Draw a face for every question and write the benchmark folder.

    Datasets that an interrupted build has finished are kept. Equal arguments give equal
    bytes, however many processes draw.

    Args:
        output: The folder to write.
        targets: The questions.
        seed: Seed of the faces.
        recipe: What else identifies this build in its manifest.
        bias: By which share the expressions of faces of gender `BIASED` are weakened, in
            datasets with a gender.

    Raises:
        PreparationError: The folder holds something else.
    """
    versions = {name: version(name) for name in ("unifer", "numpy", "pillow", "pyarrow")}
    digest = hashlib.sha256(json.dumps(targets).encode()).hexdigest()
    recipe = {
        **recipe,
        "seed": seed,
        "questions_sha256": digest,
        "annotations": "votes, attributes, intensity",
        "bias": bias,
    }
    manifest = open_build(output.folder, Manifest(SYNTHETIC, True, recipe, versions))
    for dataset, questions in targets.items():
        if dataset in manifest.datasets:
            continue
        title, drawn = label_space(dataset).title, partial(_drawn_row, dataset, seed, bias)
        rows = output.map(title, drawn, enumerate(questions), len(questions))
        manifest = write_dataset(output.folder, manifest, dataset, rows, columns_of(dataset))
    return manifest


def draw_as(
    dataset: str, label: str, seed: Sequence[int], *, weaker: float = 0.0
) -> tuple[bytes, Face]:
    """Draw a face in size, mode and encoding of a dataset, its action units weaker by a share."""
    look = _FORMATS.get(dataset, _USUAL)
    face = sample_face(canonical(label), np.random.default_rng(seed))
    if weaker:
        units = face.action_units
        weakened = {unit: (1 - weaker) * value for unit, value in units.intensity.items()}
        face = replace(face, action_units=replace(units, intensity=weakened))
    image = paint(face, look.size, gray=look.gray)
    buffer = io.BytesIO()
    image.save(buffer, look.encoding)
    return buffer.getvalue(), face


def suffix_of(dataset: str) -> str:
    """Return the extension of a dataset's image files."""
    return ".jpg" if _FORMATS.get(dataset, _USUAL).encoding == "JPEG" else ".png"


def stream_of(dataset: str) -> int:
    """Return a dataset's own seed, which does not change when datasets are added."""
    return zlib.crc32(dataset.encode())


def _drawn_row(dataset: str, seed: int, bias: float, numbered: tuple[int, tuple[str, str]]) -> Row:
    number, (row_id, target) = numbered
    stream = [seed, stream_of(dataset), number]
    annotation_seed = [*stream, _ANNOTATIONS_STREAM]
    attributes = draw_attributes(dataset, annotation_seed)
    weaker = bias if attributes.get("gender") == BIASED else 0.0
    image, face = draw_as(dataset, target, stream, weaker=weaker)
    units = face.action_units
    return Row(row_id, image, target, annotate(dataset, target, units, attributes, annotation_seed))
