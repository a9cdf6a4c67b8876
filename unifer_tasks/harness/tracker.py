"""lmms-eval's output files: free of credentials, numbered, and reported if they were not written.

Its results file lists every argument of the run, its sample logs what a server replied to a request
that failed. lmms-eval itself hides some names (`api_key`), but no password of a URL. If it cannot
write a file, it logs that and still exits with status 0.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from unifer_tasks.data.results_file import SERIAL, next_serial
from unifer_tasks.harness.requests.replies import redact_answer
from unifer_tasks.harness.requests.shortfall import note_unsaved
from unifer_tasks.protocol.variants.listed import TASKS
from unifer_tasks.redaction.secrets import known_variables, map_texts, redact_settings
from unifer_tasks.support.seams import Function, Seam

_TRACKER = "lmms_eval.loggers.evaluation_tracker"
SAVE_RESULTS = Seam(
    _TRACKER,
    "EvaluationTracker.save_results_aggregated",
    ("self", "results"),
    "no credential gets into the results file",
)
SAVE_SAMPLES = Seam(
    _TRACKER,
    "EvaluationTracker.save_results_samples",
    ("self", "task_name", "samples"),
    "no credential gets into the sample logs",
)
_SETTINGS = ("config", "configs")
_ASKED = ("doc", "arguments")


def extend_tracker() -> None:
    """Extend what lmms-eval's tracker writes, once, if it is loaded."""
    SAVE_RESULTS.extend(_saving_results)
    SAVE_SAMPLES.extend(_saving_samples)


def _saving_results(save_results: Function) -> Function:
    def save_results_aggregated(
        self: Any, results: dict[str, Any], *rest: Any, **named: Any
    ) -> Any:
        results.update({key: redact_settings(results[key]) for key in _SETTINGS if key in results})
        general = self.general_config_tracker
        for name in ("model_name", "model_name_sanitized"):
            setattr(general, name, redact_settings(getattr(general, name)))
        is_ours = bool(TASKS.keys() & results.get("results", {}).keys())
        if is_ours and self.output_path:
            results[SERIAL] = next_serial(_folder(self))
        saved = save_results(self, results, *rest, **named)
        if is_ours:
            _require_saved(self, "results.json", _is_json)
        return saved

    return save_results_aggregated


def _saving_samples(save_samples: Function) -> Function:
    def save_results_samples(
        self: Any, task_name: str, samples: Sequence[dict[str, Any]], *rest: Any, **named: Any
    ) -> Any:
        if task_name not in TASKS:
            return save_samples(self, task_name, samples, *rest, **named)
        redact = partial(redact_answer, environment=known_variables())
        for sample in samples:
            said = {key: value for key, value in sample.items() if key not in _ASKED}
            sample.update(map_texts(said, redact))
        saved = save_samples(self, task_name, samples, *rest, **named)
        _require_saved(
            self, f"samples_{task_name}.jsonl", lambda path: _n_lines(path) >= len(samples)
        )
        return saved

    return save_results_samples


def _require_saved(tracker: Any, name: str, is_whole: Callable[[Path], bool]) -> None:
    """Note a file that the tracker was to write and did not, or not to its end."""
    if not tracker.output_path:
        return
    path = _folder(tracker) / f"{getattr(tracker, 'date_id', 'DATE')}_{name}"
    try:
        if is_whole(path):
            return
    except (OSError, ValueError):
        pass
    note_unsaved(str(path))


def _folder(tracker: Any) -> Path:
    return Path(str(tracker.output_path), tracker.general_config_tracker.model_name_sanitized)


def _is_json(path: Path) -> bool:
    return bool(json.loads(path.read_bytes()))


def _n_lines(path: Path) -> int:
    with path.open("rb") as lines:
        return sum(1 for _ in lines)
