"""Training sets of synthetic faces: SFT and GRPO rows whose rationales are true.

The rows are those of `unifer-data cot` and `unifer-data rlvr`, so that the whole recipe runs on
any machine. A rationale names the action units that its face was drawn from.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy as np

from data_prep.images.fingerprints import Examined
from data_prep.outputs.training_folder import (
    TrainingManifest,
    finished_manifest,
    open_folder,
    write_shards,
    write_training_manifest,
)
from data_prep.sources.counts import official_counts
from data_prep.sources.samples import Split
from data_prep.support.errors import PreparationError
from data_prep.support.output import Output
from data_prep.synthetic.faces import sample_face
from data_prep.synthetic.faces.rationale import rationale
from data_prep.synthetic.stand_in import draw_as, stream_of, suffix_of
from data_prep.training.balance import Balance, shared_out
from data_prep.training.rows import RLVR, sft_form
from unifer_tasks.data.manifest import MANIFEST_NAME, SYNTHETIC
from unifer_tasks.protocol.labels import WITH_FILES, canonical
from unifer_tasks.protocol.prompts import response
from unifer_tasks.support.files import atomic_write

Labels = Literal["uniform", "sqrt", "official"]
_BALANCE: Mapping[Labels, Balance] = {
    "uniform": Balance.UNIFORM,
    "sqrt": Balance.SQRT,
    "official": Balance.NONE,
}
LABELS = tuple(_BALANCE)

# The benchmark's stand-ins have seeds of three numbers; these have four, so no face is repeated.
_TRAINING_STREAM = 1
_TAGS_STREAM = 1


@dataclass(frozen=True, slots=True)
class Recipe:
    """The faces to draw; equal recipes give equal bytes.

    Attributes:
        drawn: Faces to train on.
        labels: See `choose`; validation is always uniform.
        untagged: Share of the training responses that answer in a sentence instead of between
            tags, as those of a careless teacher; in [0, 1].
        valid: Faces to validate on.
        seed: Seed of the faces.
    """

    drawn: int
    labels: Labels = "uniform"
    untagged: float = 0.0
    valid: int = 0
    seed: int = 0


def choose(n: int, labels: Labels, seed: int) -> list[tuple[str, str]]:
    """Choose dataset and label of each face: equally many of each dataset, in mixed order.

    Args:
        n: Number of faces.
        labels: "official" for the label shares of the official training splits, "sqrt" for
            shares by the square roots of those counts, or "uniform", which also applies if no
            counts are official.
        seed: Seed of the choice.
    """
    rng = np.random.default_rng([seed, _TRAINING_STREAM])
    chosen = []
    for number in range(n):
        dataset = tuple(WITH_FILES)[number % len(WITH_FILES)]
        space = WITH_FILES[dataset]
        counts = official_counts(dataset, Split.TRAIN) or dict.fromkeys(space.labels, 1)
        shares = shared_out(counts, _BALANCE[labels], 1.0)
        chosen.append((dataset, str(rng.choice(space.labels, p=[shares[x] for x in space.labels]))))
    return chosen


def build_training(output: Output, recipe: Recipe) -> dict[str, TrainingManifest]:
    """Draw faces and write folders `cot` and `rlvr` of rows about them; return their manifests.

    If it is killed and started again, it keeps the existing images.

    Raises:
        PreparationError: The folder holds something else.
    """
    out, described = output.folder, asdict(recipe)
    open_folder(out)
    if (out / MANIFEST_NAME).exists():
        raise PreparationError(
            f"{out} holds rows itself; choose a folder for `cot` and `rlvr` within it"
        )
    for form in _FORMS:
        finished_manifest(out / form.kind, described)
    asked = {
        "train": choose(recipe.drawn, recipe.labels, recipe.seed),
        "valid": choose(recipe.valid, "uniform", recipe.seed + 1),
    }
    samples: dict[str, list[Examined]] = {}
    for part, chosen in asked.items():
        draw_sample = partial(_sample, output.images, part, recipe)
        drawn = output.map(f"drawing {part}", draw_sample, enumerate(chosen), len(chosen))
        samples[part] = list(drawn)
    counts = {part: _counts(chosen) for part, chosen in asked.items()}
    manifests = {}
    for form in _FORMS:
        home = out / form.kind
        shards = {}
        for part, faces in samples.items():
            rows = (form.row(face, part, index, None) for index, face in enumerate(faces))
            shards[part] = write_shards(home, part, rows, form.schema)
        manifests[form.kind] = TrainingManifest(
            kind=form.kind,
            recipe=described,
            versions={name: version(name) for name in ("unifer", "numpy", "pillow", "pyarrow")},
            roots={SYNTHETIC: str(output.images.resolve())},
            counts_in=counts["train"],
            counts_out=counts,
            left_out={},
            unusable=0,
            shards=shards,
        )
        write_training_manifest(home, manifests[form.kind])
    return manifests


def _sample(
    images: Path, part: str, recipe: Recipe, numbered: tuple[int, tuple[str, str]]
) -> Examined:
    number, (dataset, label) = numbered
    seed, untagged = recipe.seed, recipe.untagged if part == "train" else 0.0
    stream = [seed, stream_of(dataset), number, _TRAINING_STREAM + (part == "valid")]
    # A face's name holds everything it depends on, so an existing file is the right one.
    name = f"{part}-{seed}-{number:06d}-{label}"
    path = (images / dataset / f"{name}{suffix_of(dataset)}").resolve()
    if path.exists():
        face = sample_face(canonical(label), np.random.default_rng(stream))
    else:
        image, face = draw_as(dataset, label, stream)
        with atomic_write(path) as partial_path:
            partial_path.write_bytes(image)
    seen = rationale(face.action_units)
    is_untagged = np.random.default_rng([*stream, _TAGS_STREAM]).random() < untagged
    text = f"{seen} The expression is {label}." if is_untagged else response(seen, label)
    return Examined(dataset, part, f"drawn/{dataset}/{name}", str(path), label, None, response=text)


def _counts(chosen: Iterable[tuple[str, str]]) -> Mapping[str, Mapping[str, int]]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for dataset, label in chosen:
        counts[dataset][label] += 1
    return {dataset: dict(sorted(of.items())) for dataset, of in counts.items()}


_FORMS = (sft_form("drawn"), RLVR)
