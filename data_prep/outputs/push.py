"""Publish an output on the hub without images and without paths of this machine.

The datasets' licences forbid passing images on. What may be published was made here: labels,
questions, rationales, and the images' places in archives that everyone gets from the datasets'
owners.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data_prep.outputs.card import write_benchmark_card, write_training_card
from data_prep.outputs.rebase import place_below, rewrite_shard
from data_prep.outputs.training_folder import (
    Shard,
    TrainingManifest,
    is_training_folder,
    read_training_manifest,
    write_training_manifest,
)
from data_prep.support.errors import PreparationError, brief
from unifer_tasks.data.manifest import intact_path, read_manifest, sha256, write_manifest
from unifer_tasks.redaction.local_paths import without_folders, without_local_paths
from unifer_tasks.redaction.secrets import map_texts

_STAGED = ".published-"
"""The beginning of the name of the folder, below the output, that is uploaded."""

_DATA_FILES = ("train-*.parquet", "valid-*.parquet", "*/test.parquet")
"""What an earlier push may have left of an output that had more files."""


def check_target(repository: str) -> None:
    """Check what can be checked of a dataset's name on the hub before there is anything to publish.

    Raises:
        PreparationError: It cannot be a name, or nobody is logged in.
    """
    from huggingface_hub import get_token
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(repository)
        is_name = repository.count("/") == 1
    except HFValidationError:
        is_name = False
    if not is_name:
        raise PreparationError(
            f"--push {repository}: a dataset on the hub is named USER/NAME, of letters, digits, "
            "`-`, `_` and `.`"
        )
    if get_token() is None:
        raise PreparationError(
            f"--push {repository}: nobody is logged in to the hub; `hf auth login`, or set HF_TOKEN"
        )


def push(out: Path, repository: str) -> str:
    """Publish an output on the hub without its images, in a dataset that is private if it is new.

    All files are one commit: until it is made, the dataset is as it was.

    Returns:
        Where it is, and who can see it.

    Raises:
        PreparationError: The hub did not take it.
        DataError: The output is not finished.
    """
    from huggingface_hub import HfApi

    for left in out.glob(f"{_STAGED}*"):
        # By a run that was killed.
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=_STAGED, dir=out) as folder:
        stage(out, Path(folder))
        api = HfApi()
        try:
            url = api.create_repo(repository, repo_type="dataset", private=True, exist_ok=True)
            is_private = api.repo_info(repository, repo_type="dataset").private
            api.upload_folder(
                repo_id=repository,
                repo_type="dataset",
                folder_path=folder,
                delete_patterns=list(_DATA_FILES),
            )
        except Exception as error:  # The client's network library raises its own.
            raise PreparationError(
                f"{out} is whole, but was not published as {repository} ({brief(error)}); the "
                "same command publishes it"
            ) from None
    return f"{url} ({'private' if is_private else 'public'})"


def stage(out: Path, staged: Path) -> None:
    """Write the part of an output that may be published: its rows, manifest and card.

    Image bytes are left out. An image of training rows is named `SOURCE/PLACE`, by its place in
    its archive, and no text contains a path of this machine.

    Raises:
        DataError: `out` is not finished, or a file of it is damaged.
        PreparationError: A shard is damaged, something staged would hold image bytes, or a path
            reveals this machine's folders.
    """
    if is_training_folder(out):
        _stage_rows(out, staged)
    else:
        _stage_benchmark(out, staged)
    for path in staged.rglob("*.parquet"):
        binary = [field.name for field in pq.read_schema(path) if _holds_bytes(field.type)]
        if binary:
            raise PreparationError(
                f"{path.name} holds image bytes in {', '.join(binary)}, which the datasets' "
                "licences forbid to pass on; not uploaded"
            )


def _stage_benchmark(out: Path, staged: Path) -> None:
    manifest = read_manifest(out)
    folders = _folders(out, ())
    clean = partial(without_local_paths, folders=folders)
    for dataset, file in manifest.datasets.items():
        (staged / file.path).parent.mkdir(parents=True, exist_ok=True)
        _without_images(intact_path(out, manifest, dataset), staged / file.path, folders)
    described = replace(
        manifest,
        # Judgements of people's looks are not published.
        datasets={
            dataset: replace(file, annotations={}) for dataset, file in manifest.datasets.items()
        },
        source=clean(manifest.source),
        recipe=map_texts(manifest.recipe, clean),
        versions=map_texts(manifest.versions, clean),
    )
    write_manifest(staged, described)
    write_benchmark_card(staged, described)


def _stage_rows(out: Path, staged: Path) -> None:
    manifest = read_training_manifest(out)
    _require_narrow_roots(manifest)
    folders = _folders(out, manifest.roots.values())

    def published(row: dict[str, Any]) -> dict[str, Any]:
        source = manifest.source_of(row["data_source"])
        images = []
        for image in row["images"]:
            place = None if source is None else place_below(manifest.roots[source], image["image"])
            if place is None:
                raise PreparationError(
                    f"{image['image']} lies below no root of {out}; build the rows again"
                )
            images.append({**image, "image": f"{source}/{place}"})
        # A rationale may contain any text: only known folders are removed from it.
        row = map_texts({**row, "images": []}, lambda text: without_folders(text, folders))
        if teacher := row["extra_info"].get("teacher"):
            row["extra_info"]["teacher"] = without_local_paths(teacher)
        return {**row, "images": images}

    def staged_shard(shard: Shard) -> Shard:
        path = out / shard.path
        if not path.is_file() or sha256(path) != shard.sha256:
            raise PreparationError(
                f"{path} is not the file that its manifest lists; build it again to publish it"
            )
        return rewrite_shard(out, staged, shard, published)

    clean = partial(without_local_paths, folders=folders)
    left_out: Counter[str] = Counter()
    for reason, n in manifest.left_out.items():
        left_out[clean(reason)] += n
    described = replace(
        manifest,
        recipe=map_texts(manifest.recipe, clean),
        versions=map_texts(manifest.versions, clean),
        # Whoever has the archives replaces these with `rebase`.
        roots={source: source for source in manifest.roots},
        left_out=dict(left_out),
        differences=tuple(map(clean, manifest.differences)),
        shards={part: tuple(map(staged_shard, shards)) for part, shards in manifest.shards.items()},
    )
    write_training_manifest(staged, described)
    write_training_card(staged, described)


def _require_narrow_roots(manifest: TrainingManifest) -> None:
    """Check that the roots are no wider than the archives.

    Raises:
        PreparationError: A root contains the home folder.
    """
    for source, root in manifest.roots.items():
        if Path(root) in Path.home().parents:
            raise PreparationError(
                f"images of {source} are named from {root} on, which would tell where they lie on "
                "this machine; build the rows with --images DIR, the folder of the datasets"
            )


def _folders(out: Path, roots: Iterable[str]) -> list[str]:
    return [*roots, *map(str, (out.absolute(), out.resolve(), Path.cwd(), Path.home()))]


def _without_images(source: Path, target: Path, folders: Sequence[str]) -> None:
    columns = ["id", "target", "candidate_labels", "dataset"]
    table = pq.read_table(source, columns=columns)
    ids = [without_folders(row_id, folders) for row_id in table.column("id").to_pylist()]
    table = table.set_column(0, "id", pa.array(ids, pa.string()))
    # The metadata for `datasets` describes an image column.
    pq.write_table(table.replace_schema_metadata(None), target)


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind) or pa.types.is_list(kind):
        return any(_holds_bytes(kind.field(n).type) for n in range(kind.num_fields))
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))
