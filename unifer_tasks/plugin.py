"""How lmms-eval finds FERBench: the entry point `lmms_eval.models`.

lmms-eval has an entry point for models and none for task folders. It loads the models'
whenever it starts, before it looks for tasks, so ours also adds our task folder to every
`TaskManager`. The user's own `--include_path` keeps precedence, and a manager that was asked
for no defaults gets none of ours. Nothing here may raise: one failing entry point would take
every other plugin's models down with it.
"""

from __future__ import annotations

from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unifer_tasks.evaluator import extend_evaluate, extend_tables
from unifer_tasks.selection import check_data, check_names, repeated
from unifer_tasks.tracker import extend_tracker

if TYPE_CHECKING:
    from lmms_eval.models.registry_v2 import ModelManifest

TASKS_FOLDER = Path(__file__).parent / "ferbench"


def load() -> list[ModelManifest]:
    """Adds the task folder and returns the model ids of our own; what lmms-eval calls."""
    from lmms_eval.models.registry_v2 import ModelManifest
    from loguru import logger

    try:
        _add_task_folder()
        _check_selections()
        extend_tables()
    except Exception as error:
        logger.warning(
            f"FERBench could not add its tasks to this lmms-eval ({error!r}); "
            f"pass --include_path {TASKS_FOLDER}"
        )
    return [
        ModelManifest("unifer", chat_class_path="unifer_tasks.models.unifer.UniFER"),
        ModelManifest("replay", chat_class_path="unifer_tasks.models.replay.Replay"),
    ]


def _add_task_folder() -> None:
    from lmms_eval.tasks import TaskManager

    original = TaskManager.initialize_tasks
    if getattr(original, "adds_ferbench", False):
        return

    @wraps(original)
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
        return original(self, include_path, include_defaults, **options)

    initialize_tasks.adds_ferbench = True  # type: ignore[attr-defined]
    TaskManager.initialize_tasks = initialize_tasks


def _check_selections() -> None:
    """Let every `TaskManager` check what is selected of FERBench before the model is loaded."""
    from lmms_eval.tasks import TaskManager
    from loguru import logger

    match, load_all = TaskManager.match_tasks, TaskManager.load_task_or_group
    if getattr(match, "checks_ferbench", False):
        return

    @wraps(match)
    def match_tasks(self: TaskManager, task_list: list[str]) -> Any:
        check_names(task_list, self.all_tasks)
        names = match(self, task_list)
        check_data(names)
        return names

    @wraps(load_all)
    def load_task_or_group(
        self: TaskManager, task_list: str | list[str] | None = None, *given: Any, **options: Any
    ) -> Any:
        if isinstance(task_list, list) and (twice := repeated(task_list)):
            logger.warning(f"Asked once, with their group: {', '.join(twice)}")
            task_list = [task for task in task_list if task not in twice]
        return load_all(self, task_list, *given, **options)

    match_tasks.checks_ferbench = True  # type: ignore[attr-defined]
    TaskManager.match_tasks = match_tasks
    TaskManager.load_task_or_group = load_task_or_group
