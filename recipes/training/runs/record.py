"""What a run is made of, written beside its checkpoints when it starts: the source of its card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from recipes.training.configuration.adapter import Adapter
from recipes.training.configuration.keys import Config
from recipes.training.configuration.parse import data_settings, model_settings
from recipes.training.configuration.settings import PARTS, GrpoSettings, Part, Settings, Stage
from recipes.training.runs.checkpoints import is_checkpoint, step_of
from unifer_tasks.data.manifest import MANIFEST_NAME, SYNTHETIC, sha256
from unifer_tasks.redaction.secrets import redact_settings
from unifer_tasks.support.files import atomic_write

RECORD_NAME = "run.json"
SCHEMA = 1

_PACKAGES = ("unifer", "verl", "vllm", "torch", "transformers", "ray")


class RecordError(Exception):
    """A run's record cannot be read."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file that the run reads.

    Attributes:
        path: As given.
        rows: How many it holds.
        sha256: Of its bytes.
        manifest: The manifest beside it; None if it has none.
    """

    path: str
    rows: int
    sha256: str
    manifest: Mapping[str, Any] | None

    @property
    def stand_in(self) -> bool | None:
        """Whether its faces are synthetic; None if that is not recorded."""
        return None if self.manifest is None else SYNTHETIC in self.manifest["roots"]


@dataclass(frozen=True, slots=True)
class Record:
    """What a run is made of.

    Attributes:
        stage: "sft" or "grpo".
        overrides: hydra overrides, as given.
        config: The resolved configuration of verl's trainer.
        data: "train" and "val" -> its files.
        versions: Package -> version.
        step: The step of the checkpoint that the record belongs to; None beside a whole run.
        algorithm: The name of the algorithm that GRPO's settings were chosen by; None if none was.
        earlier: The runs that made the model it began with, the last one first, as far as there
            are records; None if they are not recorded here, as in records of earlier versions.
    """

    stage: Stage
    overrides: tuple[str, ...]
    config: Config
    data: Mapping[Part, tuple[DataFile, ...]]
    versions: Mapping[str, str]
    step: int | None = None
    algorithm: str | None = None
    earlier: tuple[Record, ...] | None = None

    @property
    def model(self) -> str:
        """What was trained: a Hugging Face folder or a hub id."""
        return model_settings(self.stage, self.config).path

    @property
    def adapter(self) -> Adapter | None:
        """The LoRA adapter that was trained; None if the model's own weights were."""
        return model_settings(self.stage, self.config).adapter

    def rows_read(self, part: Part) -> int:
        """Return how many rows of "train" or "val" verl reads."""
        rows = {Path(file.path): file.rows for file in self.data[part]}
        return data_settings(self.stage, self.config).rows_read(part, rows)


def record_run(settings: Settings, rows: Mapping[Path, int]) -> Record:
    """Return the record of a run that is about to start.

    Args:
        settings: Of the run.
        rows: Data file -> rows, from `preflight`.
    """
    data = {
        part: tuple(
            DataFile(str(path), rows[path], sha256(path), _manifest(path.parent))
            for path in settings.data.files(part)
        )
        for part in PARTS
    }
    method = settings.method
    return Record(
        stage=settings.stage,
        overrides=settings.overrides,
        config=settings.verl,
        data=data,
        versions=dict(_versions()),
        algorithm=method.algorithm if isinstance(method, GrpoSettings) else None,
        earlier=_earlier(model_settings(settings.stage, settings.verl).path),
    )


def lineage(record: Record) -> tuple[Record, ...]:
    """Return a run and those that made the model it began with, the last one first.

    Raises:
        RecordError: The record of an earlier run cannot be read.
    """
    earlier = _earlier(record.model) if record.earlier is None else record.earlier
    return (record, *earlier)


def _earlier(model: str) -> tuple[Record, ...]:
    path = Path(model).expanduser()
    found = find_record(path) if path.is_dir() else None
    return () if found is None else tuple(replace(run, earlier=()) for run in lineage(found))


def _manifest(folder: Path) -> Mapping[str, Any] | None:
    path = folder / MANIFEST_NAME
    if not path.is_file():
        return None
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return manifest if "roots" in manifest else None


def _versions() -> list[tuple[str, str]]:
    found = []
    for package in _PACKAGES:
        try:
            found.append((package, version(package)))
        except PackageNotFoundError:
            continue
    return found


def write_record(folder: Path, record: Record) -> None:
    """Write the record, less credentials, into a run's folder or beside a merged checkpoint."""
    kept = redact_settings(asdict(record))
    text = json.dumps({"schema": SCHEMA, **kept}, indent=2) + "\n"
    with atomic_write(folder / RECORD_NAME) as partial:
        partial.write_text(text, encoding="utf-8")


def find_record(checkpoint: Path) -> Record | None:
    """Return the record of the run that a checkpoint comes from; None if it comes from none.

    Args:
        checkpoint: A folder that `merge` wrote, or one inside a run: `global_step_N`, its `actor`
            or their `huggingface`.

    Raises:
        RecordError: There is one that cannot be read.
    """
    checkpoint = checkpoint.resolve()
    if (checkpoint / RECORD_NAME).is_file():
        return read_record(checkpoint)
    for folder in (checkpoint, *checkpoint.parents):
        if is_checkpoint(folder) and (folder.parent / RECORD_NAME).is_file():
            return replace(read_record(folder.parent), step=step_of(folder))
    return None


def read_record(folder: Path) -> Record:
    """Read the record in a folder.

    Raises:
        RecordError: It cannot be read.
    """
    path = folder / RECORD_NAME
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        if fields.pop("schema") != SCHEMA:
            raise RecordError(f"{path} was written by another version; run the stage again")
        return _record(fields)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordError(
            f"{path} is damaged ({error!r}): restore it, as the run wrote it when it started"
        ) from error


def _record(fields: dict[str, Any]) -> Record:
    files, earlier = fields.pop("data"), fields.pop("earlier", None)
    return Record(
        data={part: tuple(DataFile(**file) for file in files[part]) for part in PARTS},
        overrides=tuple(fields.pop("overrides")),
        earlier=None if earlier is None else tuple(map(_record, earlier)),
        **fields,
    )
