"""lmms-eval's `--baseline` for FERBench: a paired comparison of the same questions.

Its own loader takes the first field of a sample that has "score" in its name and pairs samples by
their number, whatever task and data the file is of. Here an earlier run is read as everywhere
else, from its responses, and paired by the id of the question; a folder gives each task its own
log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unifer_tasks.data.asked import questions_of_file
from unifer_tasks.data.logs import Log, find_log, logs_of_one_run
from unifer_tasks.data.manifest import data_root, dataset_path, read_manifest
from unifer_tasks.data.predictions import Prediction, PredictionError, read_predictions
from unifer_tasks.data.results_file import RESULTS
from unifer_tasks.data.sample_logs import read_sample_log
from unifer_tasks.protocol.variants.listed import BASE, TASKS, Variant
from unifer_tasks.scoring.summary import read


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question of the baseline and all answers to it."""

    permutation: int
    answers: Sequence[Prediction]


def baseline_scores(path: Path, task: str) -> dict[int, float]:
    """Return what a baseline scored on the questions of a task.

    Args:
        path: An lmms-eval output folder of one model, the results file of one run, a sample log
            of the task, or a prediction file.
        task: A task of FERBench.

    Returns:
        The number of a question in today's data -> the share of right answers to it, by the
        strict reader.

    Raises:
        PredictionError: The baseline has no answer to the task, or is of other data.
        DataError: The data is absent or damaged.
        OSError: A file cannot be read.
    """
    variant, dataset = TASKS[task]
    root = data_root()
    manifest = read_manifest(root)
    log, asked = _read(path, task)
    if log is not None and log.stand_in not in (None, manifest.stand_in):
        kinds = {True: "synthetic faces", False: "the benchmark's images"}
        raise PredictionError(
            f"the baseline {log.path} saw {kinds[not manifest.stand_in]}, this run sees "
            f"{kinds[manifest.stand_in]}; they cannot be compared"
        )
    rows = questions_of_file(dataset_path(root, manifest, dataset), dataset, variant)
    numbers = {(row.id, row.permutation): number for number, row in enumerate(rows)}
    scores: dict[int, float] = {}
    for each in asked:
        first = each.answers[0]
        number = numbers.get((first.id, each.permutation))
        if number is None:
            continue
        if rows[number].target != first.target:
            raise PredictionError(
                f"{path} has another true label for {dataset} {first.id!r} than the data in "
                f"{root}: it is of other data"
            )
        scores[number] = _score(each.answers, variant)
    if not scores:
        raise PredictionError(f"{path} shares no question of {task} with the data in {root}")
    return scores


def check_baseline(
    load: Callable[[str, str], Any], baseline: str, tasks: Iterable[str], *, log_samples: bool
) -> None:
    """Check, before any question is asked, that a baseline can be compared with.

    Args:
        load: What loads the baseline of a task.
        baseline: As given to `--baseline`.
        tasks: The tasks of the run.
        log_samples: Whether lmms-eval logs samples, which is what it compares.

    Raises:
        PredictionError: It cannot be compared with any of the run's FERBench tasks, or no samples
            are logged.
    """
    ours = [task for task in tasks if task in TASKS]
    if ours and not log_samples:
        raise PredictionError(
            "--baseline compares logged samples: add --log_samples and --output_path DIR"
        )
    problems: dict[str, str] = {}
    for task in ours:
        try:
            load(baseline, task)
        except Exception as error:
            problems[task] = str(error)
    if ours and len(problems) == len(ours):
        raise PredictionError(f"--baseline {baseline}: {next(iter(problems.values()))}")


def rows_in_percent(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Add a row for the comparison below each of our tasks that was compared.

    lmms-eval repeats it beside every metric, and takes the baseline's percentage from a value
    between 0 and 1. The comparison is of the accuracy alone, here in percent, on the questions
    that both answered.
    """
    return dict(_in_percent(rows))


def _in_percent(rows: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, row in rows.items():
        if name not in TASKS or "paired_baseline" not in row:
            yield name, dict(row)
            continue
        paired = {key: value for key, value in row.items() if key.startswith("paired_")}
        yield name, {key: value for key, value in row.items() if key not in paired}
        difference = (paired["paired_ci_lower"] + paired["paired_ci_upper"]) / 2
        yield (
            f"{name} against the baseline",
            {
                "alias": f"{row.get('alias', name)}, paired, in percent",
                "accuracy,none": paired["paired_baseline_score"] + difference,
                **paired,
            },
        )


def _read(path: Path, task: str) -> tuple[Log | None, list[_Asked]]:
    variant, dataset = TASKS[task]
    if path.is_dir() or path.match(RESULTS):
        logs, _ = logs_of_one_run(path, variant)
        if dataset not in logs:
            raise PredictionError(f"{path} has no sample log of {task}")
        return _logged(logs[dataset], task)
    if "_samples_" in path.name:
        return _logged(find_log(path), task)
    predictions = [each for each in read_predictions(path) if each.dataset == dataset]
    if variant is not BASE or not predictions:
        raise PredictionError(f"{path} has no answer to a question of {task}")
    return None, [_Asked(0, [each]) for each in predictions]


def _logged(log: Log, task: str) -> tuple[Log, list[_Asked]]:
    if log.task != task:
        raise PredictionError(
            f"{log.path} is a log of {log.task}, not of {task}; give the folder of a run, which "
            "has a log for each task"
        )
    samples = read_sample_log(log.path, log.variant).samples
    return log, [_Asked(sample.permutation, sample.answers) for sample in samples]


def _score(answers: Sequence[Prediction], variant: Variant) -> float:
    right = sum(read(each, "strict", variant.read).label == each.target for each in answers)
    return right / len(answers)
