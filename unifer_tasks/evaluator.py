"""What FERBench adds to lmms-eval's evaluator, for its own tasks and for no other.

* The rows of the results say how much of a task was asked (`--limit`, `--repeats`).
* `--baseline` pairs the same questions, and is checked before the first is asked.
* A request that failed is noted as such (see `unifer_tasks.running.asking`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

from unifer_tasks.variants import TASKS

_MARK = "knows_ferbench"


def extend_tables() -> None:
    """Extend what prints tables and loads baselines, once; before lmms-eval's command line does."""
    from lmms_eval import utils
    from lmms_eval.baselines import loader

    from unifer_tasks.baseline import baseline_scores, rows_in_percent

    make_table, load_file = utils.make_table, loader._load_baseline_from_local
    if hasattr(make_table, _MARK):
        return

    @wraps(load_file)
    def load_baseline_file(path: str, task_name: str) -> Any:
        if task_name not in TASKS:
            return load_file(path, task_name)
        return baseline_scores(Path(path), task_name), None

    @wraps(make_table)
    def make_table_in_percent(
        result_dict: dict[str, Any], column: str = "results", sort_results: bool = False
    ) -> Any:
        rows = rows_in_percent(result_dict[column])
        return make_table({**result_dict, column: rows}, column, sort_results)

    setattr(make_table_in_percent, _MARK, True)
    loader._load_baseline_from_local = load_baseline_file
    utils.make_table = make_table_in_percent


def extend_evaluate() -> None:
    """Extend the evaluation, once, if it is loaded: listings of tasks do without it."""
    evaluator = sys.modules.get("lmms_eval.evaluator")
    evaluate = getattr(evaluator, "evaluate", None)
    if evaluator is None or evaluate is None or hasattr(evaluate, _MARK):
        return
    from loguru import logger

    from unifer_tasks.baseline import check_baseline
    from unifer_tasks.headings import name_rows

    @wraps(evaluate)
    def evaluate_and_name(*given: Any, **options: Any) -> Any:
        if baseline := getattr(options.get("cli_args"), "baseline", None):
            tasks = [task.task_name for task in evaluator.get_task_list(options["task_dict"])]
            logged = bool(options.get("log_samples", True))
            check_baseline(evaluator.load_baseline, baseline, tasks, log_samples=logged)
        with _careful(evaluator, options):
            results = evaluate(*given, **options)
        if results is not None:
            try:
                _without_leftovers(results["results"])
                name_rows(results)
            except Exception as error:
                # Hours of answers are not lost for the sake of a row's name.
                logger.warning(f"FERBench's rows keep their names ({error!r})")
        return results

    setattr(evaluate_and_name, _MARK, True)
    evaluator.evaluate = evaluate_and_name  # type: ignore[attr-defined]


@contextmanager
def _careful(evaluator: Any, options: Mapping[str, Any]) -> Iterator[None]:
    """Note failed requests where FERBench is asked, unless they are by what keeps the answers."""
    from unifer_tasks.running.asking import failures_noted
    from unifer_tasks.running.resume import ResumedAnswers

    lm, cache = options.get("lm"), options.get("response_cache")
    names = {task.task_name for task in evaluator.get_task_list(options["task_dict"])}
    if lm is None or isinstance(cache, ResumedAnswers) or not names & TASKS.keys():
        yield
        return
    with failures_noted(lm, getattr(options.get("cli_args"), "model", "")):
        yield


def _without_leftovers(rows: dict[str, Any]) -> None:
    """Drop what lmms-eval makes of a sample's fields that are no metrics: empty lists."""
    for name in rows.keys() & TASKS.keys():
        rows[name] = {
            key: value for key, value in rows[name].items() if not isinstance(value, list) or value
        }
