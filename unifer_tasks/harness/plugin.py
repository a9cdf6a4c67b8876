"""The plug-in by which lmms-eval finds FERBench: its entry point `lmms_eval.models`.

lmms-eval has an entry point for models and none for task folders. It loads the models'
whenever it starts, before it looks for tasks, so ours also adds our task folder to every
`TaskManager`. The user's own `--include_path` keeps precedence, and a manager that was asked
for no defaults gets none of ours. Nothing here may raise: one failing entry point would take
every other plugin's models down with it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from unifer_tasks.harness.evaluator import (
    EVALUATE,
    LOAD_BASELINE,
    MAKE_TABLE,
    MODELS,
    RUN,
    extend_evaluate,
    extend_tables,
)
from unifer_tasks.harness.selection import check_names, repeated
from unifer_tasks.harness.tracker import SAVE_RESULTS, SAVE_SAMPLES, extend_tracker
from unifer_tasks.harness.yaml_speed import libyaml
from unifer_tasks.support.seams import Function, Seam

if TYPE_CHECKING:
    from lmms_eval.models.registry_v2 import ModelManifest
    from lmms_eval.tasks import TaskManager

TASKS_FOLDER = Path(__file__).parents[1] / "ferbench"


INDEX_TASKS = Seam(
    "lmms_eval.tasks",
    "TaskManager.initialize_tasks",
    ("self", "include_path", "include_defaults"),
    f"pass --include_path {TASKS_FOLDER}",
)
MATCH_TASKS = Seam(
    "lmms_eval.tasks",
    "TaskManager.match_tasks",
    ("self", "task_list"),
    "the names of tasks are checked before a model is loaded",
)
LOAD_TASKS = Seam(
    "lmms_eval.tasks",
    "TaskManager.load_task_or_group",
    ("self", "task_list"),
    "a task that its group contains is asked once",
)

SEAMS = (
    INDEX_TASKS,
    MATCH_TASKS,
    LOAD_TASKS,
    LOAD_BASELINE,
    MAKE_TABLE,
    RUN,
    EVALUATE,
    SAVE_RESULTS,
    SAVE_SAMPLES,
)
"""Every function of lmms-eval that the plugin replaces."""


def load() -> list[ModelManifest]:
    """Add the task folder and return the model ids of our own; lmms-eval calls this."""
    from lmms_eval.models.registry_v2 import ModelManifest
    from loguru import logger

    try:
        _extend()
    except Exception as error:
        logger.warning(
            f"FERBench could not add its tasks to this lmms-eval ({error!r}); "
            f"pass --include_path {TASKS_FOLDER}"
        )
    return [ModelManifest(model, chat_class_path=path) for model, path in MODELS.items()]


def _extend() -> None:
    from lmms_eval.tasks import TaskManager  # noqa: F401  (loads the module)

    INDEX_TASKS.extend(_adding_ours)
    MATCH_TASKS.extend(_checking)
    LOAD_TASKS.extend(_asking_once)
    extend_tables()


def _adding_ours(original: Function) -> Function:
    def initialize_tasks(
        self: TaskManager,
        include_path: str | list[str] | None = None,
        include_defaults: bool = True,
        **options: Any,
    ) -> Any:
        if include_defaults:
            given = [include_path] if isinstance(include_path, str) else include_path or []
            include_path = [*given, str(TASKS_FOLDER)]
            extend_evaluate()
            extend_tracker()
        with libyaml():
            return original(self, include_path, include_defaults, **options)

    return initialize_tasks


def _checking(original: Function) -> Function:
    def match_tasks(self: TaskManager, task_list: list[str]) -> Any:
        check_names(task_list, self.all_tasks)
        return original(self, task_list)

    return match_tasks


def _asking_once(original: Function) -> Function:
    def load_task_or_group(
        self: TaskManager, task_list: str | list[str] | None = None, *given: Any, **options: Any
    ) -> Any:
        from loguru import logger

        if isinstance(task_list, list) and (twice := repeated(task_list)):
            logger.warning(f"Asked once, with their group: {', '.join(twice)}")
            task_list = [task for task in task_list if task not in twice]
        return original(self, task_list, *given, **options)

    return load_task_or_group
