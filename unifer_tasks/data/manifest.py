"""Where the benchmark's data lies on disk, and what its manifest says it is.

`$FERBENCH_DATA` names a folder that `unifer-data` wrote: `DATASET/test.parquet` for each
dataset and one `manifest.json`, written last, that says how many rows of which label every
file holds and whether the faces are photographs or stand-ins.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from unifer_tasks.protocol.labels import FERBENCH, WITH_FILES, label_space
from unifer_tasks.support.files import atomic_write, explain
from unifer_tasks.support.records import RecordError, read_json, record, require_file

DATA_VARIABLE = "FERBENCH_DATA"
MANIFEST_NAME = "manifest.json"
SCHEMA = 1


_SHA256 = re.compile(r"[0-9a-f]{64}")


class DataError(Exception):
    """The benchmark's data is absent, damaged or not what it is taken for."""


@dataclass(frozen=True, slots=True)
class DatasetFile:
    """One dataset's parquet file.

    Attributes:
        path: Relative to the manifest.
        counts: Rows for each candidate label.
        sha256: Of the file's bytes.
        annotations: Column of `unifer_tasks.data.annotations` -> rows with a value; empty if the
            file has none, as in older builds.
    """

    path: str
    counts: Mapping[str, int]
    sha256: str
    annotations: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        path = PurePosixPath(self.path)
        if path.is_absolute() or ".." in path.parts or not self.path.isprintable():
            raise ValueError(f"names {self.path!r}, which is not in its folder; not read")
        if wrong := [label for label, n in self.counts.items() if n < 0]:
            raise ValueError(f"counts {self.counts[wrong[0]]} rows of {wrong[0]!r}")
        if not _SHA256.fullmatch(self.sha256):
            raise ValueError(f"has no sha256 in 64 hexadecimal digits: {self.sha256!r:.80}")

    @property
    def rows(self) -> int:
        """The number of rows."""
        return sum(self.counts.values())


SYNTHETIC = "faces drawn from action units (data_prep.synthetic.faces); no photograph"
"""The source of synthetic faces, in the manifests of benchmark and of training folders."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a benchmark folder holds.

    Attributes:
        source: Where the images come from, for people.
        stand_in: True if the images are not the benchmark's own.
        recipe: The options that the folder was built with; equal recipes and versions
            give equal bytes.
        versions: Package -> version, of what shapes the bytes.
        datasets: Dataset key -> its file; a dataset that was not built is absent.
    """

    source: str
    stand_in: bool
    recipe: Mapping[str, Any]
    versions: Mapping[str, str]
    datasets: Mapping[str, DatasetFile] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key, file in self.datasets.items():
            if key not in WITH_FILES:
                declared = ", ".join(WITH_FILES)
                raise ValueError(f"lists {key!r:.80}, which is none of the datasets {declared}")
            if unknown := file.counts.keys() - {*WITH_FILES[key].labels}:
                raise ValueError(
                    f"counts {min(unknown)!r:.80} in {key}, which is not among its labels"
                )

    def file(self, dataset: str) -> DatasetFile | None:
        """Return the file that holds a dataset's questions; None if it was not built.

        Of a dataset that is part of another the counts are of its own labels.
        """
        space = label_space(dataset)
        file = self.datasets.get(space.data_key)
        if file is None or not space.part_of:
            return file
        counts = {label: file.counts[label] for label in space.labels if label in file.counts}
        return replace(file, counts=counts)

    def is_complete(self, dataset: str) -> bool:
        """Return whether a dataset is there with the official number of questions of each label."""
        file = self.file(dataset)
        return file is not None and label_space(dataset).is_complete(file.counts)

    @property
    def n_rows(self) -> int:
        """Rows of all datasets."""
        return sum(file.rows for file in self.datasets.values())

    def caveat(
        self,
        datasets: Iterable[str] = tuple(FERBENCH),
        *,
        asked: int | None = None,
        orders: int = 1,
    ) -> str | None:
        """Explain in a few words why scores on this folder are not FERBench scores, if so.

        Args:
            datasets: The datasets that are scored.
            asked: How many questions were asked of them, where that is known.
            orders: Under how many orders of the candidates each question is asked; each counts
                as a question among those that were asked.
        """
        datasets = list(datasets)
        notes = []
        if self.stand_in:
            notes.append("STAND-IN faces")
        held = {key: file.rows for key in datasets if (file := self.file(key)) is not None}
        rows = sum(held.values())
        expected = sum(label_space(key).n_test or held.get(key, 0) for key in datasets)
        complete = all(map(self.is_complete, datasets))
        if asked is not None and asked < orders * rows:
            of_rows = "" if complete else f" of {orders * rows:,}"
            notes.append(f"{asked:,}{of_rows} of {orders * expected:,} questions")
        elif not complete:
            other = ", of other labels" if rows == expected else ""
            notes.append(f"{rows:,} of {expected:,} questions{other}")
        return ", ".join(notes) or None


@dataclass(frozen=True, slots=True)
class _Versioned:
    """A manifest of any schema."""

    schema: int


def data_root() -> Path:
    """Return the folder that `$FERBENCH_DATA` names.

    Raises:
        DataError: The variable is not set, or names no folder.
    """
    value = os.environ.get(DATA_VARIABLE, "").strip()
    remedy = (
        f"set {DATA_VARIABLE} to a folder written by `unifer-data` "
        "(`unifer-data drawn --out DIR` makes a stand-in from nothing)"
    )
    if not value:
        raise DataError(f"FERBench data not found: {DATA_VARIABLE} is not set; {remedy}")
    # Not `Path.expanduser`, which raises where no user has the name after a tilde.
    root = Path(os.path.expanduser(value))  # noqa: PTH111
    if not root.is_dir():
        raise DataError(
            f"FERBench data not found: {DATA_VARIABLE}={value} is not a directory; {remedy}"
        )
    root = root.resolve()
    if "::" in str(root):
        raise DataError(
            f"{DATA_VARIABLE}={value} lies at {root}: `datasets` takes `::` for a URL within a "
            "URL; rename the folder"
        )
    return root


def read_manifest(root: Path) -> Manifest:
    """Read the manifest of a benchmark folder.

    Raises:
        DataError: It is absent, unreadable, of another schema, or holds what it should not.
    """
    path = root / MANIFEST_NAME
    try:
        content = read_json(path)
        check_schema(path, content, SCHEMA)
        if isinstance(content, dict) and "kind" in content:
            raise DataError(
                f"{root} holds training rows, not a benchmark; name a folder that `unifer-data "
                "ferbench` or `unifer-data drawn` wrote"
            )
        return record(Manifest, content)
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(absent(root)) from None
    except OSError as error:
        raise DataError(explain(error)) from None
    except RecordError as error:
        raise DataError(f"{path} {error}; build the folder again") from None


def check_schema(path: Path, content: object, reads: int) -> None:
    """Check that a manifest is of the schema that is read here.

    Args:
        path: Of the manifest, for the message.
        content: What it holds.
        reads: The schema.

    Raises:
        DataError: It is of another one.
        RecordError: It names none.
    """
    found = record(_Versioned, content).schema
    if found != reads:
        newer = ", or update UniFER, of which a newer version wrote it" if found > reads else ""
        raise DataError(
            f"{path} has schema {found}, this version reads {reads}; build the folder again{newer}"
        )


def manifest_digest(root: Path) -> str:
    """Return the hex digest of a benchmark folder's manifest, and so of all that it lists.

    Raises:
        DataError: As `read_manifest`.
    """
    read_manifest(root)
    return sha256(root / MANIFEST_NAME)


def absent(root: Path) -> str:
    """Say why there is no manifest in a folder that should hold data, and what to do."""
    if not root.exists():
        return f"{root} does not exist; name a folder that `unifer-data` wrote"
    if not root.is_dir():
        return f"{root} is a file; name the folder that `unifer-data` wrote"
    inner = sorted(str(path.parent) for path in root.glob(f"*/{MANIFEST_NAME}"))
    if inner:
        return f"{root / MANIFEST_NAME} is missing; name one folder of data: {', '.join(inner)}"
    return (
        f"{root / MANIFEST_NAME} is missing: the folder was not written by `unifer-data`, or not "
        "to its end; the command that writes it continues it (`unifer-data ferbench` for the "
        "benchmark, `rlvr` or `cot` for training rows, `drawn` for a stand-in)"
    )


def write_manifest(root: Path, manifest: Manifest) -> None:
    """Write the manifest of a benchmark folder, whole or not at all."""
    data = {"schema": SCHEMA, **asdict(manifest)}
    for key, file in manifest.datasets.items():
        data["datasets"][key] = {"rows": file.rows, **asdict(file)}
    with atomic_write(root / MANIFEST_NAME) as partial:
        partial.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


def dataset_path(root: Path, manifest: Manifest, dataset: str) -> Path:
    """Return the parquet file of one dataset.

    Raises:
        DataError: The dataset was not built, or its file is gone.
    """
    file = manifest.file(dataset)
    if file is None:
        built = ", ".join(manifest.datasets) or "none"
        held = label_space(label_space(dataset).data_key)
        raise DataError(
            f"{held.title} ({held.key}) is not in {root} (built: {built}); build it with "
            f"`unifer-data`, or leave ferbench_{dataset} and the group ferbench out of --tasks"
        )
    path = root / file.path
    try:
        require_file(path)
    except FileNotFoundError:
        raise DataError(
            f"{path} is missing, though the manifest lists it; build {root} again"
        ) from None
    except OSError as error:
        raise DataError(explain(error)) from None
    except RecordError as error:
        raise DataError(f"{path} {error}; build {root} again") from None
    return path


def intact_path(root: Path, manifest: Manifest, dataset: str) -> Path:
    """Return the parquet file of one dataset, whose bytes are those of the manifest.

    Raises:
        DataError: The dataset was not built, or its file is gone or damaged.
    """
    path = dataset_path(root, manifest, dataset)
    try:
        state = path.stat()
        found = _digest(path, state.st_size, state.st_mtime_ns)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    if found != manifest.datasets[label_space(dataset).data_key].sha256:
        raise DataError(
            f"{path} is damaged: its bytes are not those of the manifest; build {root} again"
        )
    return path


@lru_cache
def _digest(path: Path, size: int, modified: int) -> str:
    # A run asks several times: for itself, and for each of the tasks.
    return sha256(path)


def sha256(path: Path) -> str:
    """Return the hex digest of a file's bytes, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
