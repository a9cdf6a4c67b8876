"""A results file of lmms-eval: what a run was, as far as FERBench asks.

lmms-eval names the file by the clock, which may go back between two runs. So FERBench adds a
serial number to each: one more than the highest in the folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unifer_tasks.protocol.variants.listed import TASKS
from unifer_tasks.redaction.secrets import redact_settings
from unifer_tasks.support.records import FileError, RecordError, read_json, record

RESULTS = "*_results.json"

SERIAL = "ferbench_serial"
"""The key of the serial number."""


class PredictionError(FileError):
    """What a system answered cannot be read or scored; the message says why."""


@dataclass(frozen=True, slots=True)
class TaskMetadata:
    """What a task of FERBench says of itself.

    Attributes:
        version: Of the task.
        packages: Package -> version.
        pixels: Width and height to which images are scaled.
        stand_in: Whether the faces are synthetic; None where the file does not say.
        sha256: Dataset key -> the hash of the data that was asked.
    """

    version: float | str | None = None
    packages: Mapping[str, str | None] = field(default_factory=dict)
    pixels: tuple[int, ...] = ()
    stand_in: bool | None = None
    sha256: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TaskConfig:
    """The configuration of a task.

    Attributes:
        task_alias: Its heading in the table.
        dataset_kwargs: Where its data lay.
        generation_kwargs: Its decoding settings, `--gen_kwargs` included.
        repeats: How often each question was asked.
        metadata: What it says of itself.
    """

    task_alias: str | None = None
    dataset_kwargs: Mapping[str, Any] | None = None
    generation_kwargs: Mapping[str, Any] | None = None
    repeats: int | None = None
    metadata: TaskMetadata = field(default_factory=TaskMetadata)


@dataclass(frozen=True, slots=True)
class SampleCounts:
    """How many samples a task has.

    Attributes:
        original: In its data; None if unknown.
        effective: Of these, asked; None if unknown.
    """

    original: int | None = None
    effective: int | None = None

    def __post_init__(self) -> None:
        for name in ("original", "effective"):
            if (getattr(self, name) or 0) < 0:
                raise ValueError(f"has a negative number of samples as `{name}`")


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The options of a run."""

    model: str | None = None
    model_args: str | Mapping[str, Any] | None = None
    model_backend: str | None = None
    limit: float | None = None
    offset: int | None = None
    resolved_cli_args: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class RunResults:
    """What a results file says of its run, without credentials.

    Attributes:
        config: The options.
        configs: Task of FERBench -> its configuration.
        n_samples: Task of FERBench -> its number of samples.
        model_name: The model's hub id or path; empty where the back end has none.
        system_instruction: `--system_instruction`.
        serial: Of the runs in one folder, which came later; 0 for a run that was not numbered.
    """

    config: RunOptions = field(default_factory=RunOptions)
    configs: Mapping[str, TaskConfig] = field(default_factory=dict)
    n_samples: Mapping[str, SampleCounts] = field(
        default_factory=dict, metadata={"key": "n-samples"}
    )
    model_name: str | None = None
    system_instruction: str | None = None
    serial: int = field(default=0, metadata={"key": SERIAL})


def read_document(path: Path) -> object:
    """Return the content of a JSON file: of a run's results, or of the paper's scripts.

    Raises:
        PredictionError: It is not JSON in UTF-8, or not a regular file.
        OSError: It cannot be read.
    """
    try:
        return read_json(path)
    except RecordError as error:
        raise PredictionError(f"{path} {error}; leave it out") from None


def read_run_results(path: Path) -> RunResults:
    """Return what the results file of a run says.

    Raises:
        PredictionError: A field is not what lmms-eval writes.
        OSError: It cannot be read.
    """
    document = read_document(path)
    try:
        if isinstance(document, Mapping):
            document = _of_ferbench(redact_settings(document))
        return record(RunResults, document)
    except (RecordError, RecursionError) as error:
        said = error if isinstance(error, RecordError) else "is nested too deeply"
        raise PredictionError(
            f"{path} is not a results file of lmms-eval: {said}; leave it out"
        ) from None


def next_serial(folder: Path) -> int:
    """Return the serial number of the next run in a folder; what cannot be read does not count."""
    return 1 + max((_serial(path) for path in folder.glob(RESULTS)), default=0)


def _serial(path: Path) -> int:
    try:
        document = read_json(path)
    except (RecordError, OSError):
        return 0
    serial = document.get(SERIAL) if isinstance(document, Mapping) else None
    return serial if isinstance(serial, int) else 0


def _of_ferbench(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Leave other tasks out, which may write what they like."""
    parts = {
        key: {task: part for task, part in document[key].items() if task in TASKS}
        for key in ("configs", "n-samples")
        if isinstance(document.get(key), Mapping)
    }
    return {**document, **parts}
