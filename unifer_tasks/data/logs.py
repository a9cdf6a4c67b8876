"""The sample logs of lmms-eval in a folder, and which run of which model each is of.

lmms-eval writes `DATE_results.json` and then a `DATE_samples_TASK.jsonl` for each task into a
folder that it names after the model: by the last two parts of its path, so that two models may
share one. Here a folder is sorted out; `unifer_tasks.scoring.predictions` reads the lines of a log.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.protocol.variants import GROUP, TASKS, Variant, task_name
from unifer_tasks.support.secrets import redact_settings

LOGS = f"*_samples_{GROUP}_*.jsonl"
RESULTS = "*_results.json"


class PredictionError(Exception):
    """What a system answered cannot be read or scored; the message says why."""


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
    """A sample log, and the results file of its run: empty where there is none.

    Attributes:
        path: The log.
        date: Of its run, as lmms-eval writes it; dates sort by time.
        task: The task's name.
        variant: What the task changes.
        dataset: The dataset's key.
        results: The content of the results file.
    """

    path: Path
    date: str
    task: str
    variant: Variant
    dataset: str
    results: Mapping[str, Any] = field(repr=False)

    @property
    def config(self) -> Mapping[str, Any]:
        """The options of the run."""
        return _mapping(self.results.get("config"))

    @property
    def task_config(self) -> Mapping[str, Any]:
        """The configuration of the task."""
        return _mapping(_mapping(self.results.get("configs")).get(self.task))

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What the task says of itself: versions, pixels, hashes of the data."""
        return _mapping(self.task_config.get("metadata"))

    @property
    def sha256(self) -> Mapping[str, str]:
        """Dataset key -> the hash of the data that was asked, as far as it is known."""
        return _mapping(self.metadata.get("sha256"))

    @property
    def stand_in(self) -> bool | None:
        """Whether the faces are drawn; None where the results do not say."""
        if "stand_in" in self.metadata:
            return bool(self.metadata["stand_in"])
        # Runs of versions before the metadata say it in the task's heading alone.
        alias = self.task_config.get("task_alias")
        return None if alias is None else "STAND-IN" in alias

    @property
    def model(self) -> str:
        """The model's whole name: a hub id or path, else the back end with its arguments."""
        if name := str(self.results.get("model_name") or "").rstrip("/"):
            return name
        if not self.results:
            return self.path.parent.name
        backend = self.config.get("model", self.path.parent.name)
        arguments = redact_settings(str(self.config.get("model_args") or ""))
        return f"{backend} {arguments}".strip()

    @property
    def model_title(self) -> str:
        """The model's name for a table: a hub id, of a path the last two parts."""
        if name := str(self.results.get("model_name") or "").rstrip("/"):
            return name if name.count("/") == 1 else "/".join(Path(name).parts[-2:])
        backend, _, arguments = self.model.partition(" ")
        return f"{backend} {Path(arguments.rpartition('=')[2]).name}".strip()

    @property
    def settings(self) -> Settings:
        """What decides the answers besides the model."""
        limit = self.config.get("limit")
        return Settings(
            backend=str(self.config.get("model") or ""),
            model_args=str(self.config.get("model_args") or ""),
            generation=plain(_mapping(self.task_config.get("generation_kwargs"))),
            system_instruction=str(self.results.get("system_instruction") or ""),
            repeats=str(self.task_config.get("repeats") or 1),
            limit="" if limit in (None, -1) else f"{limit:g}",
            offset=str(self.config.get("offset") or 0),
        )

    @property
    def rows(self) -> int | None:
        """The number of samples that the task has in the data; None if unknown."""
        return self._count("original")

    @property
    def expected(self) -> int | None:
        """The number of samples that the log holds if its run ended; None if unknown."""
        asked, rows = self._count("effective"), self._count("original")
        if asked is None or rows is None:
            return asked
        # lmms-eval's own figure forgets that an offset leaves fewer to ask.
        return max(0, min(asked, rows - int(self.settings.offset)))

    def _count(self, name: str) -> int | None:
        counts = _mapping(_mapping(self.results.get("n-samples")).get(self.task))
        return int(counts[name]) if name in counts else None


def read_results(path: Path) -> Any:
    """Read a results file.

    Raises:
        PredictionError: It is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise PredictionError(f"{path} is not JSON ({error}); leave it out") from None


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
            f"{path} is a log of {task}, which is no task of this version; leave it out"
        )
    date = path.name.partition("_samples_")[0]
    results = path.with_name(f"{date}_results.json")
    variant, dataset = TASKS[task]
    found = read_results(results) if results.is_file() else {}
    return Log(path, date, task, variant, dataset, _mapping(redact_settings(found)))


def log_paths(path: Path) -> list[Path]:
    """Return the sample logs below a folder, or beside the results file of one run."""
    if path.is_dir():
        return sorted(path.rglob(LOGS))
    date = path.name.removesuffix("_results.json")
    return sorted(path.parent.glob(f"{date}_samples_{GROUP}_*.jsonl"))


def logs_of_one_run(path: Path, variant: Variant) -> tuple[Mapping[str, Log], str | None]:
    """Return the logs that tell what one model answered to a variant, the newest of each task.

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
    logs = [find_log(log) for log in log_paths(path) if task_of_log(log) in tasks]
    if not logs:
        raise PredictionError(
            f"{path} holds no *_samples_{task_name('*', variant)}.jsonl; run lmms-eval with "
            "--log_samples"
        )
    logs.sort(key=lambda log: log.date)
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
    """Tell whether logs are of different bytes of a dataset, or of drawn and other faces."""
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


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
