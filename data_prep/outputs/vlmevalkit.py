"""FERBench as a custom dataset of VLMEvalKit (OpenCompass).

Its loader takes any `NAME.tsv` of the folder that `$LMUData` names
(`vlmeval.dataset.build_dataset`): with columns `A` and `B` as multiple choice
(`CustomMCQDataset`), without them as an open question (`CustomVQADataset`). The columns are
`index`, `image` (base64), `question` and `answer`; others are passed on to its prediction files.

The images of the datasets may not be redistributed, and the table holds all of them. It is meant
for the machine that holds the archives; there is no command to publish it.
"""

from __future__ import annotations

import csv
import functools
import io
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from data_prep.outputs.benchmark_folder import ROWS_PER_GROUP
from data_prep.support.errors import PreparationError, brief
from data_prep.support.images import UNDECODABLE, as_png
from data_prep.support.output import Output
from unifer_tasks.data.contents import checked_path
from unifer_tasks.data.manifest import Manifest, read_manifest
from unifer_tasks.protocol.images import IMAGE_SIZE
from unifer_tasks.protocol.labels import LABEL_SPACES, label_space
from unifer_tasks.protocol.prompts import STEM, question
from unifer_tasks.support.files import atomic_write
from unifer_tasks.support.locks import hold_file

_LETTERS = string.ascii_uppercase[: max(len(space.labels) for space in LABEL_SPACES.values())]


class Form(StrEnum):
    """How a question is asked."""

    CHOICE = "choice"
    """Lettered options, asked and scored by VLMEvalKit."""
    OPEN = "open"
    """FERBench's own question, to be scored by `ferbench score`."""


# VLMEvalKit treats a dataset with `openended` in its name as open questions.
NAMES: Mapping[Form, str] = {Form.CHOICE: "FERBench", Form.OPEN: "FERBench_openended"}

_COLUMNS: Mapping[Form, tuple[str, ...]] = {
    Form.CHOICE: ("index", "id", "dataset", "category", "question", *_LETTERS, "answer", "image"),
    Form.OPEN: ("index", "id", "dataset", "category", "question", "answer", "image"),
}


@dataclass(frozen=True, slots=True)
class Export:
    """What was written.

    Attributes:
        table: The TSV file.
        card: The README beside it.
        counts: Dataset key -> its questions.
        caveat: Why this is not FERBench; None if it is.
    """

    table: Path
    card: Path
    counts: Mapping[str, int]
    caveat: str | None


def export(root: Path, output: Output, form: Form = Form.CHOICE) -> Export:
    """Write a benchmark folder as one TSV, with a README beside it, to the folder for `$LMUData`.

    Images are the protocol's pixels (`images.protocol_image`) as PNG. Rows are streamed, so
    memory does not grow with their number.

    Raises:
        DataError: The benchmark folder is missing or damaged.
        PreparationError: VLMEvalKit would use images that it cached from an earlier export.
        HoldError: Another run is writing the table, or the folder cannot be written to.
    """
    manifest = read_manifest(root)
    name = NAMES[form]
    out = output.folder
    table = out / f"{name}.tsv"
    for kept in (out / "images" / name, out / f"{name}_local.tsv"):
        if kept.exists():
            raise PreparationError(
                f"VLMEvalKit has kept {kept} of an earlier {table.name} and would keep using it; "
                "remove it and export again"
            )
    counts = {dataset: part.rows for dataset, part in manifest.datasets.items()}
    written = Export(table, out / f"{name}.README.md", counts, manifest.caveat())
    # Hold the file, not the folder, which may hold the other form as well.
    with hold_file(table):
        questions = _questions(root, manifest)
        rows = output.map(name, functools.partial(_encode, form), questions, manifest.n_rows)
        with (
            atomic_write(table) as partial,
            partial.open("w", encoding="utf-8", newline="") as file,
        ):
            writer = csv.DictWriter(file, _COLUMNS[form], delimiter="\t", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        with atomic_write(written.card) as partial:
            partial.write_text(_card(written, form), encoding="utf-8")
    return written


def _questions(root: Path, manifest: Manifest) -> Iterator[tuple[int, dict[str, Any]]]:
    index = 0
    for dataset in manifest.datasets:
        file = pq.ParquetFile(checked_path(root, manifest, dataset))
        for batch in file.iter_batches(ROWS_PER_GROUP):
            for row in batch.to_pylist():
                yield index, row
                index += 1


def _encode(form: Form, numbered: tuple[int, dict[str, Any]]) -> dict[str, Any]:
    """Turn a numbered row of the benchmark into a row of the table."""
    index, row = numbered
    labels = row["candidate_labels"]
    common = {
        "index": index,
        "id": row["id"],
        "dataset": row["dataset"],
        "category": label_space(row["dataset"]).title,
        "image": _image(row),
    }
    if form is Form.OPEN:
        return {**common, "question": question(labels), "answer": row["target"]}
    options = dict(zip(_LETTERS, labels, strict=False))
    answer = _LETTERS[labels.index(row["target"])]
    return {**common, "question": STEM, **options, "answer": answer}


def _image(row: Mapping[str, Any]) -> str:
    try:
        # VLMEvalKit writes it as PNG again; better compression would gain little.
        return as_png(io.BytesIO(row["image"]["bytes"]), compress_level=1)
    except UNDECODABLE as error:
        raise PreparationError(
            f"the image of {row['dataset']} {row['id']} cannot be decoded ({brief(error)}); "
            "`unifer-data verify` lists all of them"
        ) from None


_SCORED: Mapping[Form, str] = {
    Form.CHOICE: """\
Options are lettered and VLMEvalKit looks for letters and labels in the response. That is neither of
FERBench's readers, and the question is not FERBench's own: compare these scores with each other,
not with a FERBench table.
""",
    Form.OPEN: """\
The question is FERBench's, byte for byte. VLMEvalKit does not score an open question; `ferbench
score` reads its predictions, in every format that it writes (a workbook, its default, holds only
the first 32,767 characters of a response):

```
ferbench score outputs/MODEL/*/MODEL_FERBench_openended.json
```
""",
}

_RUN: Mapping[Form, str] = {
    Form.CHOICE: "--mode all --judge exact_matching",
    Form.OPEN: "--mode infer",
}


def _card(written: Export, form: Form) -> str:
    name = NAMES[form]
    extent = "" if written.caveat is None else f"\n**Not FERBench**: {written.caveat}.\n"
    counts = "\n".join(f"| {label_space(key).title} | {n:,} |" for key, n in written.counts.items())
    setting = "PRED_FORMAT=json " if form is Form.OPEN else ""
    return f"""\
# FERBench for VLMEvalKit
{extent}
| dataset | questions |
| --- | ---: |
{counts}

**Do not pass this folder on.** `{written.table.name}` holds the images of the datasets, whose
licences forbid redistribution. Whoever holds the archives makes it with
`unifer-data export vlmevalkit`.

## Run

In an environment with VLMEvalKit (`pip install ms-vlmeval`, or its repository, where `run.py`
stands for `-m vlmeval`), from this folder:

```
LMUData=$PWD {setting}python -m vlmeval --data {name} --model MODEL {_RUN[form]}
```

MODEL is one of `vlmeval.config.supported_VLM`. Images are {IMAGE_SIZE[0]} x {IMAGE_SIZE[1]} pixels,
FERBench's protocol; VLMEvalKit's settings of a model may enlarge them again (`min_pixels` of
Qwen2.5-VL, for one).

## Scores

{_SCORED[form]}"""
