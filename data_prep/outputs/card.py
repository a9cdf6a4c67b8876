"""The dataset card beside an output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from pathlib import Path

from data_prep.outputs.training_folder import Repeats, TrainingManifest, by_label
from unifer_tasks.data.manifest import Manifest
from unifer_tasks.protocol.labels import label_space
from unifer_tasks.redaction.markdown import CARD_NAME, bullets, code, escape, front_matter, table
from unifer_tasks.support.files import atomic_write

_ABOUT_IMAGES = """\
## Images

The images belong to the datasets and may not be passed on. What is published here names them by
their place in the official archives; whoever holds those puts them together with `unifer-data`.
"""

_ABOUT_ANNOTATIONS = """\
`votes` is how many annotators chose each candidate label, in their order, `votes_other` how many
chose none of them. `gender`, `race` and `age_group` are annotators' impressions of a stranger in
one photograph, in the dataset's own words: neither what the people say of themselves nor facts.
They serve to compare a model's accuracy between groups, never to describe a single person.
`landmarks` locate the face in its image. These columns stay on this machine: `--push` publishes
none of them.
"""


def write_benchmark_card(out: Path, manifest: Manifest) -> None:
    """Write the card of a benchmark folder."""
    caveat = manifest.caveat()
    counts = table(
        ("dataset", "questions"),
        [
            (label_space(dataset).title, f"{file.rows:,}")
            for dataset, file in manifest.datasets.items()
        ],
        numeric=[1],
    )
    extent = "All questions of the benchmark." if caveat is None else f"Not FERBench: {caveat}."
    body: list[str] = [escape(f"FERBench from {manifest.source}. {extent}"), counts]
    annotated = [
        (label_space(dataset).title, code(name), f"{n:,}")
        for dataset, file in manifest.datasets.items()
        for name, n in file.annotations.items()
    ]
    if annotated:
        columns = table(("dataset", "column", "questions"), annotated, numeric=[2])
        body += ["## Annotations", columns, _ABOUT_ANNOTATIONS]
    body.append(_ABOUT_IMAGES)
    configs = {dataset: {"test": [file.path]} for dataset, file in manifest.datasets.items()}
    _write(out, "FERBench", manifest.n_rows, configs, body)


def write_training_card(out: Path, manifest: TrainingManifest) -> None:
    """Write the card of a folder of training rows."""
    title = {"rlvr": "UniFER-RLVR", "cot": "UniFER-CoT"}[manifest.kind]
    parts = {part: shards for part, shards in manifest.shards.items() if shards}
    counts = table(
        ("part", "dataset", "label", "rows"),
        [
            (part, dataset, label, f"{n:,}")
            for part in parts
            for (dataset, label), n in by_label(manifest.counts_out.get(part, {})).items()
        ],
        numeric=[3],
    )
    reasons = [(reason, f"{n:,}") for reason, n in manifest.left_out.items() if n]
    left_out = table(("reason", "entries"), reasons, numeric=[1]) if reasons else "Nothing."
    body = [f"Training rows for verl ({manifest.kind}).", counts]
    if uneven := manifest.uneven_repeats():
        rows = [(*names, *(f"{n:,}" for n in astuple(of))) for names, of in uneven.items()]
        head = ("dataset", "label", "images", "remain", "in several rows", "rows of one, at most")
        total = f"{Repeats.total(uneven.values())}."
        body += ["## Repeated images", total, table(head, rows, numeric=range(2, 6))]
    body += ["## Left out", left_out]
    if manifest.differences:
        body += ["## Not the official counts", bullets(manifest.differences)]
    files = {part: [shard.path for shard in shards] for part, shards in parts.items()}
    _write(out, title, sum(map(manifest.rows, parts)), {"default": files}, [*body, _ABOUT_IMAGES])


def _write(
    out: Path,
    title: str,
    n_rows: int,
    configs: Mapping[str, Mapping[str, Sequence[str]]],
    body: Sequence[str],
) -> None:
    header = {
        "pretty_name": title,
        "license": "other",
        "license_name": "labels-and-paths-only",
        "task_categories": ["image-text-to-text"],
        "language": ["en"],
        "tags": ["facial-expression-recognition"],
        "size_categories": [_size(n_rows)],
        "configs": [
            {
                "config_name": name,
                "data_files": [{"split": split, "path": paths} for split, paths in splits.items()],
            }
            for name, splits in configs.items()
        ],
    }
    text = "\n\n".join((front_matter(header), f"# {title}", *body))
    path = out / CARD_NAME
    if not (path.exists() and path.read_text(encoding="utf-8") == text):
        with atomic_write(path) as partial:
            partial.write_text(text, encoding="utf-8")


def _size(n_rows: int) -> str:
    """Return the hub's size category of a number of rows."""
    bounds = [("n<1K", 1_000), ("1K<n<10K", 10_000), ("10K<n<100K", 100_000)]
    return next((name for name, bound in bounds if n_rows < bound), "100K<n<1M")
