"""Where runs come from: lmms-eval's output, prediction files, results of the paper's scripts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from unifer_tasks.data.logs import LOGS, RESULTS, log_paths
from unifer_tasks.data.results_file import read_document
from unifer_tasks.redaction.characters import visible
from unifer_tasks.report.sources.lmms_eval_output import runs_of_logs
from unifer_tasks.report.sources.runs import Run, distinct, looks_drawn, ordered, with_coverage
from unifer_tasks.report.sources.upstream_results import runs_of_results
from unifer_tasks.scoring.predictions import PredictionError, read_predictions

_GIVE = (
    f"give lmms-eval's --output_path (with {LOGS}), a prediction file, or results of the paper's "
    "scripts"
)


def read_runs(
    paths: Iterable[Path | tuple[str, Path]], progress: Callable[[str], None] = lambda _: None
) -> list[Run]:
    """Read runs, as far as they go, and record what is missing.

    Args:
        paths: lmms-eval output folders (or sample logs in one, or the results file of one run,
            which stands for its logs), prediction files of
            `ferbench score`, results of the paper's scripts (`*.json`, or a folder of them).
            With a name before it, a path must hold the runs of one model, which gets the name.
        progress: Is told of each file before it is read.

    Returns:
        The runs in the order of the paths; no two share both name and variant.

    Raises:
        PredictionError: There is nothing to read, or a file is damaged.
        OSError: A file cannot be read.
    """
    runs: list[Run] = []
    for entry in paths:
        name, path = (None, entry) if isinstance(entry, Path) else entry
        found = list(map(_visible, _read(path, progress)))
        runs += found if name is None else map(_visible, _named(name, path, found))
    if not runs:
        raise PredictionError("no run was given")
    return [with_coverage(run) for run in distinct(runs)]


def _visible(run: Run) -> Run:
    """Spell out what would act unseen, a terminal's escapes among it, in all that is shown."""
    return replace(
        run,
        name=visible(" ".join(run.name.split())) or run.name,
        source=visible(run.source),
        notes=tuple(map(visible, run.notes)),
        provenance={visible(key): visible(value) for key, value in run.provenance.items()},
    )


def _read(path: Path, progress: Callable[[str], None]) -> list[Run]:
    if path.is_dir():
        return _read_folder(path, progress)
    if not path.exists():
        raise PredictionError(f"{path} does not exist; {_GIVE}")
    progress(str(path))
    if path.suffix == ".json":
        rows = read_document(path)
        if isinstance(rows, dict):
            if path.match(RESULTS) and (logs := log_paths(path)):
                return runs_of_logs(logs, progress)
            raise PredictionError(
                f"{path} holds scores and no answers; give the folder that has the sample logs"
            )
        return runs_of_results({path: rows})
    if path.match(LOGS):
        return runs_of_logs([path], progress)
    predictions = ordered(read_predictions(path))
    stand_in = looks_drawn(predictions)
    return [Run(path.stem, str(path), predictions, stand_in=stand_in)]


def _read_folder(path: Path, progress: Callable[[str], None]) -> list[Run]:
    logs = log_paths(path)
    results = {file: read_document(file) for file in sorted(path.rglob(RESULTS))}
    lists = {file: rows for file, rows in results.items() if isinstance(rows, list)}
    if not logs and not lists:
        remedy = (
            "it has results files alone: run lmms-eval again with --log_samples"
            if results
            else _GIVE
        )
        raise PredictionError(f"{path} holds no run of FERBench; {remedy}")
    return [*runs_of_logs(logs, progress), *runs_of_results(lists)]


def _named(name: str, path: Path, runs: list[Run]) -> list[Run]:
    if len(names := {run.name for run in runs}) > 1:
        raise PredictionError(
            f"{path} holds {len(names)} models ({', '.join(sorted(names))}), which cannot all be "
            f"named {name}; give each one's own folder"
        )
    return [replace(run, name=name) for run in runs]
