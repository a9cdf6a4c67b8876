"""The sample logs of lmms-eval in a folder, and which run of which model each is of.

lmms-eval writes `DATE_results.json` and then a `DATE_samples_TASK.jsonl` for each task into a
folder that it names after the model: by the last two parts of its path, so that two models may
share one. Here a folder is sorted out; `unifer_tasks.data.sample_logs` reads the lines of a log.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from unifer_tasks.data.results_file import (
    PredictionError,
    RunOptions,
    RunResults,
    SampleCounts,
    TaskConfig,
    TaskMetadata,
    read_run_results,
)
from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.protocol.variants.listed import GROUP, TASKS, Variant, task_name
from unifer_tasks.redaction.secrets import redact_settings
from unifer_tasks.support.records import RecordError, require_file

LOGS = f"*_samples_{GROUP}_*.jsonl"


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides the answers of a run besides its model, as people wrote it.

    Attributes:
        backend: lmms-eval's model id.
        model_args: Its arguments.
        generation: The decoding settings of the task, `--gen_kwargs` included.
        system_instruction: `--system_instruction`.
        repeats: How often each question was asked.
        limit: `--limit`.
        offset: `--offset`.
    """

    backend: str
    model_args: str
    generation: str
    system_instruction: str
    repeats: str
    limit: str
    offset: str

    def differing(self, other: Settings) -> list[str]:
        """Return the names of the settings that differ."""
        return [name for name in SETTINGS if getattr(self, name) != getattr(other, name)]


SETTINGS = tuple(each.name for each in fields(Settings))
"""The names of the settings, in the order in which they are listed."""


@dataclass(frozen=True, slots=True)
class Log:
    """A sample log, and the results of its run.

    Attributes:
        path: The log.
        date: Of its run, as lmms-eval writes it: by a clock, which may go back.
        task: The task's name.
        variant: What the task changes.
        dataset: The dataset's key.
        results: What the results file says; None where there is none.
    """

    path: Path
    date: str
    task: str
    variant: Variant
    dataset: str
    results: RunResults | None = field(repr=False)

    @property
    def config(self) -> RunOptions:
        """The options of the run."""
        return self.results.config if self.results else RunOptions()

    @property
    def task_config(self) -> TaskConfig:
        """The configuration of the task."""
        return (self.results and self.results.configs.get(self.task)) or TaskConfig()

    @property
    def metadata(self) -> TaskMetadata:
        """What the task says of itself: versions, pixels, hashes of the data."""
        return self.task_config.metadata

    @property
    def sha256(self) -> Mapping[str, str]:
        """Dataset key -> the hash of the data that was asked, as far as it is known."""
        return self.metadata.sha256

    @property
    def stand_in(self) -> bool | None:
        """Whether the faces are synthetic; None where the results do not say."""
        if self.metadata.stand_in is not None:
            return self.metadata.stand_in
        # Runs of versions before the metadata say it in the task's heading alone.
        alias = self.task_config.task_alias
        return None if alias is None else "STAND-IN" in alias

    @property
    def model(self) -> str:
        """The model's whole name: a hub id or path, else the back end with its arguments."""
        if self.results is None:
            return self.path.parent.name
        if name := (self.results.model_name or "").rstrip("/"):
            return name
        backend = self.config.model or self.path.parent.name
        arguments = redact_settings(str(self.config.model_args or ""))
        return f"{backend} {arguments}".strip()

    @property
    def model_title(self) -> str:
        """The model's name for a table: a hub id, of a path the last two parts."""
        if name := ((self.results and self.results.model_name) or "").rstrip("/"):
            return name if name.count("/") == 1 else "/".join(Path(name).parts[-2:])
        backend, _, arguments = self.model.partition(" ")
        return f"{backend} {Path(arguments.rpartition('=')[2]).name}".strip()

    @property
    def settings(self) -> Settings:
        """What decides the answers besides the model."""
        limit = self.config.limit
        return Settings(
            backend=self.config.model or "",
            model_args=str(self.config.model_args or ""),
            generation=plain(self.task_config.generation_kwargs or {}),
            system_instruction=(self.results and self.results.system_instruction) or "",
            repeats=str(self.task_config.repeats or 1),
            limit="" if limit in (None, -1) else f"{limit:g}",
            offset=str(self.config.offset or 0),
        )

    @property
    def rows(self) -> int | None:
        """The number of samples that the task has in the data; None if unknown."""
        return self._counts.original

    @property
    def expected(self) -> int | None:
        """The number of samples that the log holds if its run ended; None if unknown."""
        asked, rows = self._counts.effective, self._counts.original
        if asked is None or rows is None:
            return asked
        # lmms-eval's own figure forgets that an offset leaves fewer to ask.
        return max(0, min(asked, rows - (self.config.offset or 0)))

    @property
    def _counts(self) -> SampleCounts:
        return (self.results and self.results.n_samples.get(self.task)) or SampleCounts()


def oldest_first(logs: Iterable[Log]) -> list[Log]:
    """Return logs in the order of their runs.

    Within a folder the serial numbers of the runs give it, and dates where there are none. A run
    counts as at least as late as those before it in its folder, whatever the clock showed; so
    runs in several folders can be ordered by date.
    """
    latest: dict[Path, str] = {}
    placed = []
    for log in sorted(logs, key=lambda log: (_serial(log), log.date)):
        folder = log.path.parent
        latest[folder] = max(log.date, latest.get(folder, ""))
        placed.append((latest[folder], log))
    placed.sort(key=lambda item: item[0])
    return [log for _, log in placed]


def _serial(log: Log) -> int:
    return log.results.serial if log.results else 0


def task_of_log(path: Path) -> str:
    """Return the task whose samples a log of lmms-eval holds, by its name."""
    return path.stem.partition("_samples_")[2]


def find_log(path: Path) -> Log:
    """Return a log with the results of its run.

    Raises:
        PredictionError: The task in its name is unknown, or its results are damaged.
    """
    task = task_of_log(path)
    if task not in TASKS:
        raise PredictionError(
            f"{path} is a log of {task}, which is not a task of this version; leave it out"
        )
    try:
        require_file(path)
    except RecordError as error:
        raise PredictionError(f"{path} {error}; leave it out") from None
    date = path.name.partition("_samples_")[0]
    results = path.with_name(f"{date}_results.json")
    variant, dataset = TASKS[task]
    found = read_run_results(results) if results.exists() else None
    return Log(path, date, task, variant, dataset, found)


def log_paths(path: Path) -> list[Path]:
    """Return the sample logs below a folder, or beside the results file of one run."""
    if path.is_dir():
        return sorted(path.rglob(LOGS))
    date = path.name.removesuffix("_results.json")
    return sorted(path.parent.glob(f"{date}_samples_{GROUP}_*.jsonl"))


def logs_of_one_run(path: Path, variant: Variant) -> tuple[Mapping[str, Log], str | None]:
    """Return the logs of what one model answered to a variant, the newest of each task.

    Args:
        path: A folder below which sample logs lie, or the results file of one run.
        variant: Whose logs; those of others are passed over.

    Returns:
        Dataset key -> log, and a note if older logs were left out.

    Raises:
        PredictionError: There is none, or they are of several models, of runs that differ in
            what decides the answers, or of different data.
    """
    tasks = {task_name(dataset, variant) for dataset in LABEL_SPACES}
    logs = oldest_first(find_log(log) for log in log_paths(path) if task_of_log(log) in tasks)
    if not logs:
        raise PredictionError(
            f"{path} holds no *_samples_{task_name('*', variant)}.jsonl; run lmms-eval with "
            "--log_samples"
        )
    newest = {log.dataset: log for log in logs}
    if len({log.model for log in logs}) > 1:
        raise PredictionError(
            f"{path} holds the answers of several models ({_by_model(path, logs)}); "
            "give the folder of one, or the *_results.json of one run"
        )
    if differing := differences(list(newest.values())):
        raise PredictionError(
            f"{path} holds several runs of {logs[0].model_title}, which differ in "
            f"{', '.join(differing)} ({_by_date(newest.values())}); give the *_results.json of "
            "one run"
        )
    dates = sorted({log.date for log in logs})
    if len(logs) == len(newest):
        return newest, None
    return newest, (
        f"{path} holds {len(dates)} runs of {logs[0].model_title} ({', '.join(dates)}); of each "
        f"task the newest counts ({_by_date(newest.values())})"
    )


def differences(logs: Sequence[Log]) -> list[str]:
    """Return what logs of one model differ in that decides the answers: settings, data, faces."""
    first = logs[0].settings
    found = {name for log in logs[1:] for name in first.differing(log.settings)}
    names = [name for name in SETTINGS if name in found]
    if is_other_data(logs):
        names.append("data")
    return names


def is_other_data(logs: Iterable[Log]) -> bool:
    """Return whether logs are of different bytes of a dataset, or of synthetic and other faces."""
    seen: dict[str, str] = {}
    faces = set[bool]()
    for log in logs:
        if any(seen.setdefault(key, digest) != digest for key, digest in log.sha256.items()):
            return True
        if log.stand_in is not None:
            faces.add(log.stand_in)
    return len(faces) > 1


def plain(settings: Mapping[str, Any]) -> str:
    """Write settings out, sorted by name."""
    return ", ".join(f"{key}={value}" for key, value in sorted(settings.items()))


def _by_model(path: Path, logs: Iterable[Log]) -> str:
    root = path if path.is_dir() else path.parent
    places: dict[str, set[str]] = {}
    for log in logs:
        places.setdefault(log.model, set()).add(str(log.path.parent.relative_to(root)))
    return "; ".join(f"{model} in {', '.join(sorted(places[model]))}" for model in sorted(places))


def _by_date(logs: Iterable[Log]) -> str:
    dates: dict[str, list[str]] = {}
    for log in logs:
        dates.setdefault(log.date, []).append(log.task)
    return "; ".join(f"{date}: {', '.join(tasks)}" for date, tasks in sorted(dates.items()))
