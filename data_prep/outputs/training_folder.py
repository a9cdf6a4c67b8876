"""A folder of training rows: shards that are complete or absent, and a manifest written last.

`manifest.json` records what was read, by which rules, how much was left out and why, and what was
written. A folder without one is not finished; the command that started it continues it.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import pyarrow as pa
import pyarrow.parquet as pq

from data_prep.images.fingerprints import FOLDER as EXAMINED_FOLDER
from data_prep.outputs.recipes import require_same
from data_prep.support.errors import PreparationError, brief
from data_prep.support.output import IMAGES
from data_prep.support.packed import UNPACKED
from data_prep.support.parallel import batches
from unifer_tasks.data.manifest import MANIFEST_NAME, DataError, absent, check_schema, sha256
from unifer_tasks.support.files import atomic_write, explain
from unifer_tasks.support.locks import LOCK_NAME
from unifer_tasks.support.records import RecordError, read_json, record, require_file

Value = TypeVar("Value")

SCHEMA = 1

KINDS = ("rlvr", "cot")
"""The training stages that rows are for."""

ROWS_PER_SHARD = 65_536
ROWS_PER_GROUP = 4096
"""Limits the memory of writer and reader."""

WORK_FOLDERS = (EXAMINED_FOLDER, UNPACKED, IMAGES, "answers.jsonl")
"""The content of an unfinished folder."""


@dataclass(frozen=True, slots=True)
class Shard:
    """One parquet file.

    Attributes:
        path: Relative to the manifest.
        rows: How many it holds.
        sha256: Of its bytes.
    """

    path: str
    rows: int
    sha256: str

    def __post_init__(self) -> None:
        # Files are read and rewritten by this name, so it must be in this folder.
        is_name = self.path not in ("", "..") and Path(self.path).name == self.path
        if not is_name or not self.path.isprintable():
            raise ValueError(f"names {brief(self.path)}, which is not in its folder; not read")
        _require_counts(self.rows)


@dataclass(frozen=True, slots=True)
class Repeats:
    """How often the images of a label are among the training rows.

    Attributes:
        available: Images that could be trained on.
        distinct: Different images among the rows.
        repeated: Images in more than one row.
        most: The most rows that any image is in.
    """

    available: int
    distinct: int
    repeated: int
    most: int

    def __post_init__(self) -> None:
        _require_counts(self.available, self.distinct, self.repeated, self.most)

    @classmethod
    def of(cls, rows: Collection[int]) -> Repeats:
        """Count the repeats, given the rows of each image that could be trained on."""
        return cls(
            available=len(rows),
            distinct=sum(n > 0 for n in rows),
            repeated=sum(n > 1 for n in rows),
            most=max(rows, default=0),
        )

    @classmethod
    def total(cls, parts: Collection[Repeats]) -> Repeats:
        """Add up the images of several labels."""
        return cls(
            available=sum(part.available for part in parts),
            distinct=sum(part.distinct for part in parts),
            repeated=sum(part.repeated for part in parts),
            most=max((part.most for part in parts), default=0),
        )

    def __str__(self) -> str:
        remain = f"{self.distinct:,} of {self.available:,} images remain"
        return f"{remain}, {self.repeated:,} of them in several rows, at most {self.most:,}"

    @property
    def is_even(self) -> bool:
        """Whether every image is in exactly one row."""
        return self.distinct == self.available and not self.repeated


@dataclass(frozen=True, slots=True)
class TrainingManifest:
    """What a folder of training rows holds.

    Attributes:
        kind: `rlvr` or `cot`.
        recipe: The sources and options; equal recipes and versions give equal bytes.
        versions: Package -> version.
        roots: Source -> the absolute folder below which its images lie.
        counts_in: Dataset -> label -> samples that the sources hold.
        counts_out: Part -> dataset -> label -> rows written.
        left_out: Reason -> entries.
        unusable: Entries of these that a sound copy of the sources would have given.
        shards: Part (`train`, `valid`) -> its files, in order.
        differences: Where the sources hold other counts than the official splits, a line a label.
        repeats: Part -> dataset -> label -> how often its images are in the rows; empty if not
            recorded.
    """

    kind: str
    recipe: Mapping[str, Any]
    versions: Mapping[str, str]
    roots: Mapping[str, str]
    counts_in: Mapping[str, Mapping[str, int]]
    counts_out: Mapping[str, Mapping[str, Mapping[str, int]]]
    left_out: Mapping[str, int]
    unusable: int
    shards: Mapping[str, tuple[Shard, ...]]
    differences: tuple[str, ...] = ()
    repeats: Mapping[str, Mapping[str, Mapping[str, Repeats]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"holds rows of kind {brief(self.kind)}, not of {' or '.join(KINDS)}")
        names = Counter(shard.path for shards in self.shards.values() for shard in shards)
        if repeated := [name for name, n in names.items() if n > 1]:
            raise ValueError(f"lists {brief(repeated[0])} twice")
        _require_counts(
            self.unusable,
            *self.left_out.values(),
            *by_label(self.counts_in).values(),
            *(n for counts in self.counts_out.values() for n in by_label(counts).values()),
        )

    def rows(self, part: str) -> int:
        """Return the number of rows of a part."""
        return sum(shard.rows for shard in self.shards.get(part, ()))

    @property
    def is_composed(self) -> bool:
        """Whether the rows were composed of examined sources, and so may repeat images."""
        return "examined" in self.recipe

    def uneven_repeats(self) -> dict[tuple[str, str], Repeats]:
        """Return (dataset, label) -> repeats in training; empty if each image is in one row."""
        found = by_label(self.repeats.get("train", {}))
        return {} if all(repeats.is_even for repeats in found.values()) else found

    def root_of(self, dataset: str) -> str | None:
        """Return the root of a dataset's rows; None if it is unclear."""
        return self.roots.get(self.source_of(dataset) or "")

    def source_of(self, dataset: str) -> str | None:
        """Return the source in `roots` of a dataset's rows; None if it is unclear.

        A source not named after a dataset (a published file, synthetic faces) is the only one.
        """
        if dataset in self.roots:
            return dataset
        return next(iter(self.roots)) if len(self.roots) == 1 else None


def by_label(nested: Mapping[str, Mapping[str, Value]]) -> dict[tuple[str, str], Value]:
    """Return (dataset, label) -> value of a mapping dataset -> label -> value."""
    return {
        (dataset, label): value
        for dataset, labels in nested.items()
        for label, value in labels.items()
    }


class Image(NamedTuple):
    """The identity of a training image."""

    dataset: str
    label: str
    id: str


def repeats_of(rows: Mapping[Image, int]) -> dict[str, dict[str, Repeats]]:
    """Return how often the images of each dataset and label are repeated.

    Args:
        rows: Image -> rows that show it, 0 for an image that could be trained on but is not.
    """
    rows_of: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for image, n in rows.items():
        rows_of[image.dataset][image.label].append(n)
    return {
        dataset: {label: Repeats.of(counts) for label, counts in labels.items()}
        for dataset, labels in rows_of.items()
    }


def counts_of(rows: Mapping[Image, int]) -> dict[str, dict[str, int]]:
    """Return dataset -> label -> rows, given the rows of each image."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for image, n in rows.items():
        if n:
            counts[image.dataset][image.label] += n
    return {dataset: dict(labels) for dataset, labels in counts.items()}


def _require_counts(*numbers: int) -> None:
    negative = [n for n in numbers if n < 0]
    if negative:
        raise ValueError(f"a count is {brief(negative[0])}, not a number of rows")


def read_training_manifest(root: Path) -> TrainingManifest:
    """Read the manifest of a folder of training rows.

    Raises:
        DataError: It is absent, unreadable, or of another kind or schema.
    """
    path = root / MANIFEST_NAME
    try:
        content = read_json(path)
        check_schema(path, content, SCHEMA)
        fields = dict(cast("Mapping[str, Any]", content))
        if "datasets" in fields:
            raise DataError(
                f"{root} is a benchmark folder: it holds images, neither paths of images nor "
                "training rows; name a folder that `unifer-data rlvr` or `unifer-data cot` wrote"
            )
        del fields["schema"]
        return record(TrainingManifest, fields, closed=True)
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(absent(root)) from None
    except RecordError as error:
        raise DataError(f"{path} cannot be read ({brief(error)}); build the folder again") from None


def shard_path(root: Path, shard: Shard) -> Path:
    """Return the file of a shard.

    Raises:
        DataError: It is gone, or not a regular file.
    """
    path = root / shard.path
    again = "run the command that built it again"
    try:
        require_file(path)
    except FileNotFoundError:
        raise DataError(f"{path} is missing; {again}") from None
    except RecordError as error:
        raise DataError(f"{path} {error}; {again}") from None
    except OSError as error:
        raise DataError(explain(error)) from None
    return path


def is_training_folder(root: Path) -> bool:
    """Return whether a folder's manifest is one of training rows, not of a benchmark."""
    try:
        content = read_json(root / MANIFEST_NAME)
    except (OSError, RecordError):
        return False
    return isinstance(content, dict) and "kind" in content


def write_training_manifest(root: Path, manifest: TrainingManifest) -> None:
    """Write the manifest atomically."""
    text = json.dumps({"schema": SCHEMA, **asdict(manifest)}, indent=2) + "\n"
    with atomic_write(root / MANIFEST_NAME) as partial:
        partial.write_text(text, encoding="utf-8")


def open_folder(out: Path) -> None:
    """Create a folder for a build, or accept one that a build was started in.

    Raises:
        PreparationError: It holds something else.
    """
    if out.exists() and not out.is_dir():
        raise PreparationError(f"{out} is a file; choose another folder")
    out.mkdir(parents=True, exist_ok=True)
    names = {path.name.removesuffix(".partial") for path in out.iterdir()} - {LOCK_NAME}
    is_other = MANIFEST_NAME in names and not is_training_folder(out)
    if is_other or (names and not names & {MANIFEST_NAME, *WORK_FOLDERS}):
        raise PreparationError(f"{out} holds something else; choose another folder")


def finished_manifest(out: Path, recipe: Mapping[str, Any]) -> TrainingManifest | None:
    """Return the manifest of a finished build; None if it is missing or a shard is damaged.

    Raises:
        PreparationError: The folder holds a build by another recipe.
        DataError: The manifest cannot be read.
    """
    if not (out / MANIFEST_NAME).exists():
        return None
    manifest = read_training_manifest(out)
    require_same(out, manifest.recipe, json.loads(json.dumps(recipe)))
    whole = all(
        (out / shard.path).is_file() and sha256(out / shard.path) == shard.sha256
        for part in manifest.shards.values()
        for shard in part
    )
    return manifest if whole else None


def write_shards(
    out: Path, part: str, rows: Iterable[Mapping[str, Any]], schema: pa.Schema
) -> tuple[Shard, ...]:
    """Write rows to `PART-00000.parquet` and so on, a few thousand at a time.

    Surplus shards of an earlier build are removed.
    """
    shards: list[Shard] = []
    groups = batches(rows, ROWS_PER_GROUP)
    while True:
        name = f"{part}-{len(shards):05d}.parquet"
        written = 0
        with (
            atomic_write(out / name) as partial,
            pq.ParquetWriter(partial, schema, compression="zstd") as writer,
        ):
            for group in groups:
                writer.write_table(pa.Table.from_pylist(group, schema=schema))
                written += len(group)
                if written >= ROWS_PER_SHARD:
                    break
        if not written:
            (out / name).unlink()
            break
        shards.append(Shard(name, written, sha256(out / name)))
    kept = {shard.path for shard in shards}
    for path in out.glob(f"{part}-*.parquet"):
        if path.name not in kept:
            path.unlink()
    return tuple(shards)
