from __future__ import annotations

import math
from pathlib import Path

from recipes.training.runs.metrics import read_steps

# As verl 0.9.1 prints them: SFT plainly, GRPO from a ray worker and some values as numpy's.
LOG = """\
Total steps: 2
step:1 - perf/cpu_memory_used_gb:5.6 - train/loss:6.618904113769531 - train/lr:1.53e-05
\x1b[36m(TaskRunner pid=7)\x1b[0m step:2 - critic/rewards/mean:0.375 - actor/kl:np.float64(0.002)
step:3 - train/loss:nan - val/loss:-0.5
step:2 - critic/rewards/mean:0.5
a step:4 that is no metric
"""


def test_metrics_are_read_by_step_and_the_later_of_two_runs_counts(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_text(LOG)
    steps = read_steps(log)
    assert list(steps) == [1, 2, 3]
    assert steps[1] == {
        "perf/cpu_memory_used_gb": 5.6,
        "train/loss": 6.618904113769531,
        "train/lr": 1.53e-05,
    }
    assert steps[2] == {"critic/rewards/mean": 0.5, "actor/kl": 0.002}
    assert math.isnan(steps[3]["train/loss"])
    assert steps[3]["val/loss"] == -0.5
