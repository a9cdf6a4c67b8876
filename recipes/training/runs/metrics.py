"""What a run of verl's trainers printed, as numbers."""

from __future__ import annotations

import re
from pathlib import Path

_STEP = re.compile(r"\bstep:(\d+) - (\S+:\S.*)")
# verl prints numpy scalars by their repr.
_METRIC = re.compile(r"(\S+?):(?:np\.\w+\()?([-+]?(?:\d[\d.]*(?:e[-+]?\d+)?|nan|inf))\)?(?: - |$)")


def read_steps(log: Path) -> dict[int, dict[str, float]]:
    """Reads the metrics of each step from a log that `recipes.training.launch.launcher` kept.

    Of a step that was run twice, because a run was killed after it and before its
    checkpoint, the later counts.

    Args:
        log: The file `train.log` beside the checkpoints.

    Returns:
        Step -> metric -> value, in the order of the steps.
    """
    steps: dict[int, dict[str, float]] = {}
    for line in log.read_text(encoding="utf-8").splitlines():
        if found := _STEP.search(line):
            metrics = {name: float(value) for name, value in _METRIC.findall(found[2])}
            steps.setdefault(int(found[1]), {}).update(metrics)
    return dict(sorted(steps.items()))
