"""Runs from lmms-eval's output: `DATE_results.json` and `DATE_samples_TASK.jsonl` in a folder.

A folder may hold several models, and several runs of a task by one model: the newest counts,
and a note says so. lmms-eval writes the results file first and the logs after it, so a run that
was killed has fewer logs, or shorter ones, than its results file tells.
"""

from __future__ import annotations

import json
import re
import shlex
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unifer_tasks.labels import LABEL_SPACES
from unifer_tasks.predictions import LoggedSample, PredictionError, read_sample_log, task_of_log
from unifer_tasks.report.runs import Run, ordered, question_hash
from unifer_tasks.variants import N_ORDERS, TASKS, VARIANTS, Variant, orders

LOGS = "*_samples_ferbench_*.jsonl"
RESULTS = "*_results.json"

_SECRET = re.compile(r"(?i)\b(\w*(?:api_?key|secret|password|auth\w*|\btoken)=)[^,\s]+")
_OPTIONS = ("model", "model_args", "tasks", "batch_size", "num_fewshot", "limit", "gen_kwargs")


@dataclass(frozen=True, slots=True)
class _Log:
    """A sample log, and the results file of its run: empty where there is none."""

    path: Path
    date: str
    dataset: str
    variant: Variant
    results: Mapping[str, Any] = field(repr=False)

    @property
    def config(self) -> Mapping[str, Any]:
        """What the results file says of the task."""
        return dict(self.results.get("configs", {}).get(task_of_log(self.path), {}))


def read_results(path: Path) -> Any:
    """Reads a results file.

    Raises:
        PredictionError: It is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise PredictionError(f"{path} is not JSON ({error}); leave it out") from None


def runs_of_logs(paths: Iterable[Path], progress: Callable[[str], None]) -> list[Run]:
    """Reads the runs that sample logs belong to.

    Args:
        paths: Sample logs of FERBench tasks; results files are looked for beside them.
        progress: Is told the name of each log before it is read.

    Returns:
        The runs, by folder, model and variant.

    Raises:
        PredictionError: A log or a results file is damaged, or its task is unknown.
    """
    found: defaultdict[tuple[Path, str, str], list[_Log]] = defaultdict(list)
    for log in sorted(map(_log, paths), key=lambda log: (log.path.parent, log.date)):
        found[log.path.parent, _model_name(log), log.variant.key].append(log)
    keys = ["base", *VARIANTS]
    groups = sorted(found.items(), key=lambda item: (*item[0][:2], keys.index(item[0][2])))
    return [
        run for (folder, name, _), logs in groups for run in _runs(folder, name, logs, progress)
    ]


def _log(path: Path) -> _Log:
    task = task_of_log(path)
    if task not in TASKS:
        raise PredictionError(
            f"{path} is a log of {task}, which is no task of this version; leave it out"
        )
    date = path.name.partition("_samples_")[0]
    results = path.with_name(f"{date}_results.json")
    variant, dataset = TASKS[task]
    found = read_results(results) if results.is_file() else {}
    return _Log(path, date, dataset, variant, found)


def _model_name(log: _Log) -> str:
    """A model's name: a hub id whole, of a local path the last two parts, as lmms-eval has it."""
    name = str(log.results.get("model_name") or "").rstrip("/")
    if name:
        return name if name.count("/") == 1 else "/".join(Path(name).parts[-2:])
    if not log.results:
        return log.path.parent.name
    config = log.results.get("config", {})
    argument = Path(str(config.get("model_args") or "").rpartition("=")[2]).name
    return f"{config.get('model', log.path.parent.name)} {argument}".strip()


def _runs(
    folder: Path, name: str, logs: Sequence[_Log], progress: Callable[[str], None]
) -> Iterator[Run]:
    by_dataset = {log.dataset: log for log in logs}
    newest = {dataset: by_dataset[dataset] for dataset in LABEL_SPACES if dataset in by_dataset}
    variant = logs[0].variant
    notes = list(_notes_on_dates(newest, logs))
    samples: list[LoggedSample] = []
    for log in newest.values():
        progress(str(log.path))
        read = read_sample_log(log.path, variant)
        samples += read.samples
        notes += _notes_on_log(log, len(read.samples), cut_off=read.cut_off)
    last = max(newest.values(), key=lambda log: log.date)
    notes += _notes_on_tasks(last, newest)
    faces = {_stand_in(log) for log in newest.values()}
    stand_in = faces.pop() if len(faces) == 1 else None
    for permutation in range(N_ORDERS):
        asked = [sample for sample in samples if sample.permutation == permutation]
        if not asked:
            continue
        questions = {
            dataset: {s.question for s in asked if s.prediction.dataset == dataset}
            for dataset in newest
        }
        usual = _usual_questions(variant, questions, permutation)
        unusual = [] if usual else ["The questions are not those that this version asks."]
        yield Run(
            name=name,
            source=str(folder),
            variant=f"{variant.key}_{permutation}" if variant.key == "shuffled" else variant.key,
            predictions=ordered(sample.prediction for sample in asked),
            provenance={
                **_provenance(last, newest.values()),
                "questions": question_hash(q for texts in questions.values() for q in texts)
                + (" (as this version asks)" if usual else ""),
            },
            stand_in=stand_in,
            questions={
                dataset: texts.copy().pop()
                for dataset, texts in questions.items()
                if len(texts) == 1
            },
            notes=(*notes, *unusual),
        )


def _usual_questions(variant: Variant, questions: Mapping[str, set[str]], permutation: int) -> bool:
    for dataset, texts in questions.items():
        labels = LABEL_SPACES[dataset].labels
        listed = orders(labels)[permutation] if variant.key == "shuffled" else labels
        if texts != {variant.ask(listed)}:
            return False
    return True


def _notes_on_dates(newest: Mapping[str, _Log], logs: Sequence[_Log]) -> Iterator[str]:
    if older := [log for log in logs if log not in newest.values()]:
        tasks = ", ".join(sorted({task_of_log(log.path) for log in older}))
        yield f"The newest run of each task counts; {len(older)} older logs are left out ({tasks})."
    by_date: defaultdict[str, list[str]] = defaultdict(list)
    for log in newest.values():
        by_date[log.date].append(log.dataset)
    if len(by_date) > 1:
        parts = "; ".join(f"{date}: {', '.join(keys)}" for date, keys in sorted(by_date.items()))
        yield f"Put together from several runs ({parts})."
    arguments = {str(log.results.get("config", {}).get("model_args")) for log in newest.values()}
    if len(by_date) > 1 and len(arguments) > 1:
        yield "These runs had different model arguments; shown are those of the newest."


def _notes_on_log(log: _Log, n: int, *, cut_off: bool) -> Iterator[str]:
    if cut_off:
        yield f"Interrupted: the last line of {log.path.name} breaks off and is left out."
    if not log.results:
        yield (
            f"Interrupted, or moved: {log.path.name} has no results file beside it, so model and "
            "data are known by name only."
        )
        return
    asked = log.results.get("n-samples", {}).get(task_of_log(log.path), {}).get("effective")
    if asked is not None and n < asked:
        yield f"Interrupted: {log.path.name} holds {n:,} of {asked:,} samples."


def _notes_on_tasks(last: _Log, newest: Mapping[str, _Log]) -> Iterator[str]:
    missing = [
        task
        for task, (variant, dataset) in TASKS.items()
        if task in last.results.get("configs", {})
        and variant is last.variant
        and dataset not in newest
    ]
    if missing:
        yield f"Interrupted: no sample log of {', '.join(missing)}, which the results file lists."
    limit = last.results.get("config", {}).get("limit")
    if limit is not None:
        yield f"Run with --limit {limit:g}: a part of each dataset was asked."


def _stand_in(log: _Log) -> bool | None:
    metadata, alias = _metadata(log), log.config.get("task_alias")
    if "stand_in" in metadata:
        return bool(metadata["stand_in"])
    # Runs of versions before the metadata say it in the task's heading alone.
    return None if alias is None else "STAND-IN" in alias


def _metadata(log: _Log) -> Mapping[str, Any]:
    metadata = log.config.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _provenance(last: _Log, logs: Iterable[_Log]) -> dict[str, str]:
    """What the results files tell; of several, the newest, but for the data."""
    config = last.results.get("config", {})
    metadata = _metadata(last)
    found = {
        "model": last.results.get("model_name"),
        "backend": config.get("model_backend") or config.get("model"),
        "command": _command(config),
        "date": last.date,
        **metadata.get("packages", {}),
        "task version": metadata.get("version"),
        "generation": _plain(last.config.get("generation_kwargs")),
        "pixels": _pixels(last, metadata),
        **{
            f"data {log.dataset}": _metadata(log).get("sha256", {}).get(log.dataset) for log in logs
        },
    }
    return {key: without_secrets(str(value)) for key, value in found.items() if value}


def _pixels(log: _Log, metadata: Mapping[str, Any]) -> str | None:
    if log.variant.key == "native":
        return "as the image has"
    return " x ".join(map(str, metadata.get("pixels", ())))


def _plain(settings: Mapping[str, Any] | None) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted((settings or {}).items()))


def _command(config: Mapping[str, Any]) -> str | None:
    options = config.get("resolved_cli_args")
    if not options:
        return None
    given = {key: options[key] for key in _OPTIONS if options.get(key) not in (None, "")}
    words = [word for key, value in given.items() for word in (f"--{key}", str(value))]
    return shlex.join(["lmms-eval", *words])


def without_secrets(text: str) -> str:
    """Blanks keys and passwords among arguments: what is shown may be shared."""
    return _SECRET.sub(r"\1***", text)
