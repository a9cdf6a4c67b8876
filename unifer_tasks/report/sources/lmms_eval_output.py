"""Runs from lmms-eval's output: `DATE_results.json` and `DATE_samples_TASK.jsonl` in a folder.

A folder may hold several models, and several runs of a task by one model. Models are separate
runs of a report, and so are runs of one model that differ in what decides the answers or in
their data; of the others the newest counts, and a note says so. lmms-eval writes the results file
first and the logs after it, so a run that was killed has fewer logs, or shorter ones, than its
results file lists.
"""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from unifer_tasks.data.logs import Log, differences, find_log, is_other_data, oldest_first, plain
from unifer_tasks.data.results_file import RunOptions
from unifer_tasks.data.sample_logs import LoggedSample, holds_no_sample, read_sample_log
from unifer_tasks.protocol.labels import LABEL_SPACES, label_space
from unifer_tasks.protocol.variants.listed import BASE, TASKS, VARIANTS, Variant
from unifer_tasks.redaction.secrets import redact_settings
from unifer_tasks.report.sources.runs import Run, ordered, question_hash, with_note
from unifer_tasks.support.counted import counted

_OPTIONS = ("model", "model_args", "tasks", "batch_size", "num_fewshot", "limit", "gen_kwargs")

_MERGED = {"model_args": "model arguments", "limit": "limits", "offset": "offsets"}
"""Settings in which the logs of one run may differ, and their names in a note: a run may be
continued on another device, or for other tasks."""


def runs_of_logs(paths: Iterable[Path], progress: Callable[[str], None]) -> list[Run]:
    """Read the runs that sample logs belong to.

    A log without a sample is left out, and a note of the first run says so; of an older run of
    its task the log then counts.

    Args:
        paths: Sample logs of FERBench tasks; results files are looked for beside them.
        progress: Receives the name of each log before it is read.

    Returns:
        The runs, by folder, model and variant; of one model that was run differently, the newest
        first.

    Raises:
        PredictionError: A log or a results file is damaged, its task is unknown, or no log holds a
            sample.
    """
    given = oldest_first(map(find_log, paths))
    kept = [log for log in given if not holds_no_sample(log.path)]
    found: defaultdict[tuple[Path, str, str], list[Log]] = defaultdict(list)
    # Of logs that are all empty, the first says what to do when it is read.
    for log in kept or given:
        found[log.path.parent, log.model, log.variant.key].append(log)
    keys = [BASE.key, *VARIANTS]
    groups = sorted(found.items(), key=lambda item: (*item[0][:2], keys.index(item[0][2])))
    names = _names({logs[0].model: logs[0].model_title for logs in found.values()})
    runs = []
    for (folder, model, _), logs in groups:
        parts = _alike(logs)
        for part in parts:
            others = [each for each in parts if each is not part]
            notes = tuple(_note_on_other(part, other) for other in others)
            runs += [
                replace(run, notes=(*notes, *run.notes))
                for run in _runs(folder, names[model], part, progress)
            ]
    if empty := [f"{log.path} of {log.model_title}" for log in given if log not in kept]:
        n, listed = counted(len(empty), "log"), ", ".join(empty)
        return with_note(runs, f"Interrupted, and left out: {n} without a sample ({listed}).")
    return runs


def _names(titles: Mapping[str, str]) -> dict[str, str]:
    """Return a name for each model: its title, unless two share it."""
    taken = list(titles.values())
    return {model: title if taken.count(title) == 1 else model for model, title in titles.items()}


def _alike(logs: Sequence[Log]) -> list[list[Log]]:
    """Part the logs of one model where what decides the answers differs; the newest part first."""
    parts: list[list[Log]] = []
    for log in reversed(logs):
        for part in parts:
            if not _decisive([log, part[0]]) and not is_other_data([*part, log]):
                part.insert(0, log)
                break
        else:
            parts.append([log])
    return parts


def _decisive(logs: Sequence[Log]) -> list[str]:
    return [name for name in differences(logs) if name not in _MERGED]


def _note_on_other(part: Sequence[Log], other: Sequence[Log]) -> str:
    what = ", ".join(_decisive([*part, *other]))
    dates = ", ".join(sorted({log.date for log in part}))
    others = ", ".join(sorted({log.date for log in other}))
    return (
        f"This is the run of {dates}. Its folder holds another of this model ({others}), which "
        f"differs in {what} and is kept apart."
    )


def _runs(
    folder: Path, name: str, logs: Sequence[Log], progress: Callable[[str], None]
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
    last = oldest_first(newest.values())[-1]
    notes += _notes_on_tasks(last, newest)
    faces = {log.stand_in for log in newest.values()}
    stand_in = faces.pop() if len(faces) == 1 else None
    for permutation in range(variant.n_orders):
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
            predictions=ordered(sample.prediction for sample in asked),
            variant=variant,
            permutation=permutation,
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
            notes=(*notes, *_notes_on_repeats(asked), *unusual),
            repeated=tuple(s.answers for s in asked if len(s.answers) > 1),
            rows={
                dataset: log.rows // variant.times_asked(dataset)
                for dataset, log in newest.items()
                if log.rows is not None
            },
        )


def _usual_questions(variant: Variant, questions: Mapping[str, set[str]], permutation: int) -> bool:
    return all(
        texts == {variant.ask(variant.listings(LABEL_SPACES[dataset].labels)[permutation])}
        for dataset, texts in questions.items()
        if permutation < variant.times_asked(dataset)
    )


def _notes_on_dates(newest: Mapping[str, Log], logs: Sequence[Log]) -> Iterator[str]:
    if older := [log for log in logs if log not in newest.values()]:
        tasks = ", ".join(sorted({log.task for log in older}))
        yield (
            f"The newest run of each task counts; left out: {counted(len(older), 'older log')} "
            f"({tasks})."
        )
    by_date: defaultdict[str, list[str]] = defaultdict(list)
    for log in newest.values():
        by_date[log.date].append(log.dataset)
    if len(by_date) > 1:
        parts = "; ".join(f"{date}: {', '.join(keys)}" for date, keys in sorted(by_date.items()))
        yield f"Put together from several runs ({parts})."
    if found := [_MERGED[name] for name in differences(list(newest.values()))]:
        yield f"These runs had different {' and '.join(found)}; shown are those of the newest."


def _notes_on_repeats(asked: Sequence[LoggedSample]) -> Iterator[str]:
    times = {len(sample.answers) for sample in asked}
    if times == {1}:
        return
    if len(times) > 1:
        yield (
            f"Interrupted: some questions were asked {max(times)} times, others only "
            f"{counted(min(times), 'time')}; the latter are not among the figures of repeated "
            "answers."
        )
    yield (
        f"Each question was asked {max(times)} times (--repeats). Scores and comparisons are of "
        "the first answers; all of them are scored under Repeated answers."
    )


def _notes_on_log(log: Log, n: int, *, cut_off: bool) -> Iterator[str]:
    if cut_off:
        yield f"Interrupted: the last line of {log.path.name} breaks off and is left out."
    if log.results is None:
        yield (
            f"Interrupted, or moved: {log.path.name} has no results file beside it, so model and "
            "data are known by name only."
        )
        return
    if log.expected is not None and n < log.expected:
        yield f"Interrupted: {log.path.name} holds {n:,} of {log.expected:,} samples."


def _notes_on_tasks(last: Log, newest: Mapping[str, Log]) -> Iterator[str]:
    missing = [
        task
        for task, (variant, dataset) in TASKS.items()
        if last.results is not None
        and task in last.results.configs
        and variant is last.variant
        and dataset not in newest
    ]
    if missing:
        yield f"Interrupted: no sample log of {', '.join(missing)}, which the results file lists."
    if limit := last.settings.limit:
        yield f"Run with --limit {limit}: a part of each dataset was asked."


def _provenance(last: Log, logs: Iterable[Log]) -> dict[str, str]:
    """Return what the results files record; of several, the newest, but for the data."""
    config = last.config
    metadata = last.metadata
    found = {
        "model": last.results and last.results.model_name,
        "backend": config.model_backend or config.model,
        "command": _command(config),
        "date": last.date,
        **metadata.packages,
        "repeats": last.settings.repeats if last.settings.repeats != "1" else None,
        "task version": metadata.version,
        "generation": plain(last.task_config.generation_kwargs or {}),
        "pixels": _pixels(last),
        **{
            f"data {log.dataset}": log.sha256.get(label_space(log.dataset).data_key) for log in logs
        },
    }
    return {key: redact_settings(str(value)) for key, value in found.items() if value}


def _pixels(log: Log) -> str:
    if log.variant.key == "native":
        return "as the image has"
    return " x ".join(map(str, log.metadata.pixels))


def _command(config: RunOptions) -> str | None:
    options = config.resolved_cli_args
    if not options:
        return None
    given = {key: options[key] for key in _OPTIONS if options.get(key) not in (None, "")}
    words = [word for key, value in given.items() for word in (f"--{key}", str(value))]
    return shlex.join(["lmms-eval", *words])
