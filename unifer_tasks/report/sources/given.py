"""Read runs: lmms-eval's output, prediction files, results of the paper's scripts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from dataclasses import replace
from pathlib import Path

from unifer_tasks.data.formats.dialects import other_kind
from unifer_tasks.data.logs import LOGS, log_paths
from unifer_tasks.data.prediction_files import title
from unifer_tasks.data.predictions import (
    Prediction,
    PredictionError,
    holds_predictions,
    read_predictions,
)
from unifer_tasks.data.results_file import RESULTS, read_document
from unifer_tasks.redaction.characters import one_line, visible
from unifer_tasks.report.sources.lmms_eval_output import runs_of_logs
from unifer_tasks.report.sources.runs import (
    Run,
    distinct,
    looks_drawn,
    ordered,
    with_coverage,
    with_note,
)
from unifer_tasks.report.sources.upstream_results import UPSTREAM_KEYS, runs_of_results
from unifer_tasks.support.counted import counted

_GIVE = (
    f"give lmms-eval's --output_path (with {LOGS}), a prediction file, or results of the paper's "
    "scripts"
)

_TABLES = (".csv", ".json", ".jsonl", ".tsv", ".xlsx")
"""Extensions of files that may hold predictions."""


def read_runs(
    paths: Iterable[Path | tuple[str, Path]], progress: Callable[[str], None] = lambda _: None
) -> list[Run]:
    """Read runs, interrupted ones included, and note what is missing.

    Args:
        paths: lmms-eval output folders (or sample logs in one, or the results file of one run,
            whose logs are read), prediction files of `ferbench score`, results of the
            paper's scripts (`*.json`, or a folder of them).
            With a name before it, a path must hold the runs of one model, which gets the name.
        progress: Is given each file's name before it is read.

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
        raise PredictionError(f"no run was given; {_GIVE}")
    return [with_coverage(run) for run in distinct(runs)]


def _visible(run: Run) -> Run:
    """Make control characters, such as terminal escapes, visible in all that is shown."""
    return replace(
        run,
        name=visible(" ".join(run.name.split())) or run.name,
        source=one_line(run.source),
        notes=tuple(map(one_line, run.notes)),
        provenance={visible(key): visible(value) for key, value in run.provenance.items()},
    )


def _read(path: Path, progress: Callable[[str], None]) -> list[Run]:
    if path.is_dir():
        return _read_folder(path, progress)
    if not path.exists():
        raise PredictionError(f"{title(path)} does not exist; {_GIVE}")
    progress(str(path))
    if path.suffix == ".json":
        rows = read_document(path)
        if isinstance(rows, dict):
            if path.match(RESULTS) and (logs := log_paths(path)):
                return runs_of_logs(logs, progress)
            instead = other_kind(rows) or "is one JSON object; give a list of objects, one a row"
            raise PredictionError(f"{title(path)} {instead}")
        if _is_upstreams(path, rows):
            return runs_of_results({path: rows})
    if path.match(LOGS):
        return runs_of_logs([path], progress)
    return _read_predictions(path)


def run_of_predictions(path: Path, predictions: Iterable[Prediction]) -> Run:
    """Return the run that a prediction file holds.

    Args:
        path: The file.
        predictions: What was read from it.
    """
    found = ordered(predictions)
    return _visible(Run(path.stem, str(path), found, stand_in=looks_drawn(found)))


def _read_predictions(path: Path) -> list[Run]:
    return [run_of_predictions(path, read_predictions(path))]


def _read_folder(path: Path, progress: Callable[[str], None]) -> list[Run]:
    logs = log_paths(path)
    results = {file: read_document(file) for file in sorted(path.rglob(RESULTS))}
    lists = {file: rows for file, rows in results.items() if isinstance(rows, list)}
    upstream = {file: rows for file, rows in lists.items() if _is_upstreams(file, rows)}
    others = [run for file in lists if file not in upstream for run in _read_predictions(file)]
    beside = _predictions_beside(path, {*logs, *results})
    if not logs and not lists:
        remedy = beside or (
            "it has results files and no logs of FERBench's tasks: run lmms-eval again with "
            "--log_samples"
            if results
            else _GIVE
        )
        raise PredictionError(f"{title(path)} holds no run of FERBench; {remedy}")
    runs = [*runs_of_logs(logs, progress), *runs_of_results(upstream), *others]
    return with_note(runs, f"Not read: {beside}.") if beside else runs


def _predictions_beside(folder: Path, read: Set[Path]) -> str | None:
    """Return what to do with the prediction files of a folder, if there are any."""
    others = sorted(file for file in folder.rglob("*") if file.suffix.lower() in _TABLES)
    found = [title(file) for file in others if file not in read and holds_predictions(file)]
    if not found:
        return None
    n = counted(len(found), "prediction file")
    return f"{n} below {title(folder)}; give each by its name ({', '.join(found)})"


def _is_upstreams(path: Path, rows: object) -> bool:
    """Return whether a JSON list is of the paper's scripts; otherwise it holds predictions.

    Raises:
        PredictionError: It is neither.
    """
    first = rows[0] if isinstance(rows, list) and rows else None
    keys = first.keys() if isinstance(first, dict) else set[str]()
    if not keys & {"dataset", *UPSTREAM_KEYS}:
        raise PredictionError(
            f"{title(path)} is neither predictions, whose rows have dataset, id and target, nor "
            f"results of the paper's scripts, whose rows have {' and '.join(UPSTREAM_KEYS)}"
        )
    return "dataset" not in keys


def _named(name: str, path: Path, runs: list[Run]) -> list[Run]:
    if len(names := {run.name for run in runs}) > 1:
        raise PredictionError(
            f"{title(path)} holds {len(names)} models ({', '.join(sorted(names))}), which cannot "
            f"all be named {one_line(name)}; give each one's own folder"
        )
    return [replace(run, name=name) for run in runs]
