"""lmms-eval's output files without credentials, however lmms-eval was started.

Its results file lists every argument of the run, its sample logs what a server said to a request
that failed. lmms-eval hides some names of its own accord (`api_key`), and no password of a URL.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import wraps
from typing import Any

from unifer_tasks.secrets import map_texts, redact_answer, redact_settings
from unifer_tasks.variants import TASKS

_MARK = "hides_credentials"
_SETTINGS = ("config", "configs")
_ASKED = ("doc", "arguments")


def extend_tracker() -> None:
    """Take credentials out of what lmms-eval's tracker writes, once, if it is loaded."""
    module = sys.modules.get("lmms_eval.loggers.evaluation_tracker")
    tracker = getattr(module, "EvaluationTracker", None)
    save_results = getattr(tracker, "save_results_aggregated", None)
    save_samples = getattr(tracker, "save_results_samples", None)
    if save_results is None or save_samples is None or hasattr(save_results, _MARK):
        return

    @wraps(save_results)
    def save_results_aggregated(
        self: Any, results: dict[str, Any], *rest: Any, **named: Any
    ) -> Any:
        results.update({key: redact_settings(results[key]) for key in _SETTINGS if key in results})
        general = self.general_config_tracker
        for name in ("model_name", "model_name_sanitized"):
            setattr(general, name, redact_settings(getattr(general, name)))
        return save_results(self, results, *rest, **named)

    @wraps(save_samples)
    def save_results_samples(
        self: Any, task_name: str, samples: Iterable[dict[str, Any]], *rest: Any, **named: Any
    ) -> Any:
        if task_name in TASKS:
            for sample in samples:
                said = {key: value for key, value in sample.items() if key not in _ASKED}
                sample.update(map_texts(said, redact_answer))
        return save_samples(self, task_name, samples, *rest, **named)

    setattr(save_results_aggregated, _MARK, True)
    tracker.save_results_aggregated = save_results_aggregated  # type: ignore[union-attr]
    tracker.save_results_samples = save_results_samples  # type: ignore[union-attr]
