"""The dataset card beside an output, and the push that leaves every image at home.

The datasets' licences forbid passing images on. What may be published is what was made here:
labels, questions, rationales, and where the images lie in archives that each person gets from the
datasets' owners.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data_prep.errors import PreparationError
from data_prep.outputs.rebase import map_images
from data_prep.outputs.training_folder import TrainingManifest, read_training_manifest
from unifer_tasks.data.manifest import MANIFEST_NAME, Manifest, read_manifest
from unifer_tasks.protocol.labels import label_space
from unifer_tasks.support.files import replacing

CARD_NAME = "README.md"

_IMAGES_STAY = """\
## Images

The images belong to the datasets and may not be passed on. What is published here names them by
their place in the official archives; whoever holds those puts them together with `unifer-data`.
"""


def write_benchmark_card(out: Path, manifest: Manifest) -> None:
    """Writes the card of a benchmark folder."""
    caveat = manifest.caveat()
    counts = "\n".join(
        f"| {label_space(dataset).title} | {file.rows:,} |"
        for dataset, file in manifest.datasets.items()
    )
    extent = "All questions of the benchmark." if caveat is None else f"Not FERBench: {caveat}."
    body = (
        f"FERBench from {manifest.source}. {extent}"
        f"\n\n| dataset | questions |\n| --- | ---: |\n{counts}\n\n{_IMAGES_STAY}"
    )
    configs = {dataset: {"test": [file.path]} for dataset, file in manifest.datasets.items()}
    _write(out, "FERBench", manifest.n_rows, configs, body)


def write_training_card(out: Path, manifest: TrainingManifest) -> None:
    """Writes the card of a folder of training rows."""
    title = {"rlvr": "UniFER-RLVR", "cot": "UniFER-CoT"}[manifest.kind]
    parts = {part: shards for part, shards in manifest.shards.items() if shards}
    counts = "\n".join(
        f"| {part} | {dataset} | {label} | {n:,} |"
        for part in parts
        for dataset, labels in manifest.counts_out[part].items()
        for label, n in labels.items()
    )
    reasons = "\n".join(f"| {reason} | {n:,} |" for reason, n in manifest.left_out.items() if n)
    left_out = f"| reason | entries |\n| --- | ---: |\n{reasons}" if reasons else "Nothing."
    differences = "".join(f"* {difference}\n" for difference in manifest.differences)
    unofficial = f"## Not the official counts\n\n{differences}\n" if differences else ""
    body = (
        f"Training rows for verl ({manifest.kind}).\n\n"
        f"| part | dataset | label | rows |\n| --- | --- | --- | ---: |\n{counts}\n\n"
        f"## Left out\n\n{left_out}\n\n{unofficial}{_IMAGES_STAY}"
    )
    files = {part: [shard.path for shard in shards] for part, shards in parts.items()}
    _write(out, title, sum(map(manifest.rows, parts)), {"default": files}, body)


def push(out: Path, repository: str) -> None:
    """Publishes an output on the hub without its images.

    Labels, questions, rationales and relative paths are uploaded, with the card and the manifest.
    Parquet columns that hold image bytes, image files and this machine's paths are not.

    Args:
        out: A folder that `unifer-data` wrote to its end.
        repository: Its name on the hub, `user/name`.

    Raises:
        PreparationError: The hub's client is not installed.
        DataError: `out` is not finished.
    """
    try:
        from huggingface_hub import HfApi
    except ImportError:
        raise PreparationError(
            "--push needs the hub's client: pip install huggingface_hub"
        ) from None
    with tempfile.TemporaryDirectory() as folder:
        staged = Path(folder)
        stage(out, staged)
        api = HfApi()
        api.create_repo(repository, repo_type="dataset", private=True, exist_ok=True)
        api.upload_folder(repo_id=repository, repo_type="dataset", folder_path=folder)


def stage(out: Path, staged: Path) -> None:
    """Copies what of an output may be published.

    Raises:
        DataError: `out` is not finished.
        PreparationError: Something staged would hold image bytes.
    """
    described = json.loads((out / MANIFEST_NAME).read_text(encoding="utf-8"))
    if "kind" in described:
        _stage_rows(out, read_training_manifest(out), staged)
        described["roots"] = {}
    else:
        for file in read_manifest(out).datasets.values():
            (staged / file.path).parent.mkdir(parents=True)
            _without_images(out / file.path, staged / file.path)
    (staged / MANIFEST_NAME).write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    (staged / CARD_NAME).write_bytes((out / CARD_NAME).read_bytes())
    for path in staged.rglob("*.parquet"):
        binary = [field.name for field in pq.read_schema(path) if _holds_bytes(field.type)]
        if binary:
            raise PreparationError(
                f"{path.name} holds image bytes in {', '.join(binary)}, which the datasets' "
                "licences forbid to pass on; not uploaded"
            )


def _stage_rows(out: Path, manifest: TrainingManifest, staged: Path) -> None:
    roots = sorted(manifest.roots.items(), key=lambda item: len(item[1]), reverse=True)

    def relative(_dataset: str, image: str) -> str:
        for source, root in roots:
            if image.startswith(root + os.sep):
                return f"{source}/{image.removeprefix(root + os.sep)}"
        raise PreparationError(f"{image} lies below no root of {out}; build the rows again")

    for shards in manifest.shards.values():
        for shard in shards:
            map_images(out / shard.path, staged / shard.path, relative)


def _without_images(source: Path, target: Path) -> None:
    columns = ["id", "target", "candidate_labels", "dataset"]
    table = pq.read_table(source, columns=columns)
    # The features that `datasets` reads speak of an image column.
    pq.write_table(table.replace_schema_metadata(None), target)


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind) or pa.types.is_list(kind):
        return any(_holds_bytes(kind.field(n).type) for n in range(kind.num_fields))
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _write(
    out: Path, title: str, n_rows: int, configs: dict[str, dict[str, list[str]]], body: str
) -> None:
    # JSON is YAML, and needs no library to be written right.
    header: dict[str, Any] = {
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
    lines = "\n".join(f"{key}: {json.dumps(value)}" for key, value in header.items())
    text = f"---\n{lines}\n---\n\n# {title}\n\n{body}"
    path = out / CARD_NAME
    if not (path.exists() and path.read_text(encoding="utf-8") == text):
        with replacing(path) as partial:
            partial.write_text(text, encoding="utf-8")


def _size(n_rows: int) -> str:
    """Returns the hub's word for a number of rows."""
    bounds = [("n<1K", 1_000), ("1K<n<10K", 10_000), ("10K<n<100K", 100_000)]
    return next((name for name, bound in bounds if n_rows < bound), "100K<n<1M")
