"""Extensions of lmms-eval's evaluator, which apply to FERBench's own tasks and models only.

* The options of a run are checked before its model is loaded (see `unifer_tasks.harness.options`).
* The rows of the results say how much of a task was asked (`--limit`, `--repeats`).
* `--baseline` pairs the same questions, and is checked before the first is asked.
* A request that failed is noted as such (see `unifer_tasks.harness.requests.asking`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from unifer_tasks.data.manifest import DataError
from unifer_tasks.harness.options import OptionError, check_run
from unifer_tasks.harness.selection import NAMES
from unifer_tasks.protocol.variants.listed import TASKS
from unifer_tasks.support.extras import MissingModuleError
from unifer_tasks.support.seams import Function, Seam

MODELS: Mapping[str, str] = MappingProxyType(
    {
        "unifer": "unifer_tasks.harness.models.unifer.UniFER",
        "unifer_vllm": "unifer_tasks.harness.models.unifer_vllm.UniFERVLLM",
        "replay": "unifer_tasks.harness.models.replay.Replay",
    }
)
"""Model id of our own -> its class."""

LOAD_BASELINE = Seam(
    "lmms_eval.baselines.loader",
    "_load_baseline_from_local",
    ("path", "task_name"),
    "--baseline pairs the same questions",
)
MAKE_TABLE = Seam(
    "lmms_eval.utils",
    "make_table",
    ("result_dict", "column", "sort_results"),
    "tables show a comparison with a baseline in percent",
)
RUN = Seam(
    "lmms_eval.evaluator",
    "simple_evaluate",
    ("model", "tasks", "cli_args"),
    "options are checked before a model is loaded",
)
EVALUATE = Seam(
    "lmms_eval.evaluator",
    "evaluate",
    ("lm", "task_dict", "log_samples", "cli_args", "response_cache"),
    "rows say how much was asked, and failed requests are noted",
)


def extend_tables() -> None:
    """Extend what prints tables and loads baselines, once; before lmms-eval's command line does."""
    from lmms_eval import utils  # noqa: F401  (loads the modules)
    from lmms_eval.baselines import loader  # noqa: F401

    LOAD_BASELINE.extend(_pairing)
    MAKE_TABLE.extend(_in_percent)


def extend_evaluate() -> None:
    """Extend the evaluation, once, if it is loaded: listings of tasks do without it."""
    RUN.extend(_checking)
    EVALUATE.extend(_naming)


def _pairing(load_file: Function) -> Function:
    def load_baseline_file(path: str, task_name: str) -> Any:
        from unifer_tasks.harness.baseline import baseline_scores

        if task_name not in TASKS:
            return load_file(path, task_name)
        return baseline_scores(Path(path), task_name), None

    return load_baseline_file


def _in_percent(make_table: Function) -> Function:
    def make_table_in_percent(
        result_dict: dict[str, Any], column: str = "results", sort_results: bool = False
    ) -> Any:
        from unifer_tasks.harness.baseline import rows_in_percent

        rows = rows_in_percent(result_dict[column])
        return make_table({**result_dict, column: rows}, column, sort_results)

    return make_table_in_percent


def _checking(simple_evaluate: Function) -> Function:
    def check_and_evaluate(*given: Any, **options: Any) -> Any:
        args = options.get("cli_args")
        if args is not None and _is_ours(options.get("model"), options.get("tasks") or ()):
            try:
                check_run(args)
            except (OptionError, DataError, MissingModuleError) as error:
                # The command line would print a traceback, ask the next of several
                # configurations and exit 0.
                if args.config:
                    raise
                raise SystemExit(f"lmms-eval: {error}") from None
        return simple_evaluate(*given, **options)

    return check_and_evaluate


def _is_ours(model: Any, tasks: Iterable[Any]) -> bool:
    return model in MODELS or any(task in NAMES for task in tasks)


def _naming(evaluate: Function) -> Function:
    def evaluate_and_name(*given: Any, **options: Any) -> Any:
        from lmms_eval import evaluator
        from loguru import logger

        from unifer_tasks.data.headings import name_rows
        from unifer_tasks.harness.baseline import check_baseline

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

    return evaluate_and_name


@contextmanager
def _careful(evaluator: Any, options: Mapping[str, Any]) -> Iterator[None]:
    """Note failed requests where FERBench is asked, unless they are by what keeps the answers."""
    from unifer_tasks.harness.requests.asking import failures_noted
    from unifer_tasks.harness.requests.resume import ResumedAnswers

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
