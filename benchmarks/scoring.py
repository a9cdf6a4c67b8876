"""Reading answers and intervals, beside the paper's pattern and a plain bootstrap loop.

Run alone: `python -m benchmarks.scoring`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.metrics import f1_score

from benchmarks.timing import compare, seconds
from unifer_tasks.protocol.answers.strict import read_answer
from unifer_tasks.protocol.answers.upstream import read_upstream
from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.protocol.prompts import response
from unifer_tasks.scoring.metrics import bootstrap, dataset_confusion

_PATTERN = re.compile(r"<answer>\s*(.*?)\s*</answer>", re.IGNORECASE)
_REPLICATES = 200

_SCORE = """
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from unifer_tasks.cli.main import main
with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
    assert main(["score", sys.argv[1]]) == 0
"""
_LOAD = "rows = [json.loads(line) for line in open(sys.argv[1])]"
# The peak that `resource` knows begins with that of the process that started this one.
_USAGE = """
(peak,) = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(time.process_time(), int(peak) / 1024)
"""
_LIMIT = 100
"""MiB that scoring may take, however many the predictions: its imports and a row at a time."""


def main() -> None:
    """Print a line for each measurement."""
    _readers()
    _intervals()
    for n in (100_000, 400_000):
        _predictions(n)


def _readers() -> None:
    sentence = "The brows are lowered and drawn together, the lids are tight. "
    usual = [response(sentence * 15, "fear")] * 2000
    hostile = ["<answer>" * 2000]
    for title, texts in (("2,000 responses of 200 words", usual), ("2,000 open tags", hostile)):
        peer = seconds(partial(_each, _PATTERN.search, texts))
        for name, read in (("strict", read_answer), ("upstream", read_upstream)):
            ours = seconds(partial(_each, partial(read, dataset="rafdb"), texts))
            compare(f"{name} reader, {title}", ours, peer, "upstream's pattern alone")


def _each(read: Callable[[str], object], texts: Sequence[str]) -> None:
    for text in texts:
        read(text)


def _intervals() -> None:
    rng = np.random.default_rng(0)
    space = LABEL_SPACES["affectnet"]
    true = np.repeat(space.labels, space.n_test // len(space.labels))
    read = np.where(rng.random(true.size) < 0.6, true, rng.choice(space.labels, true.size))
    counts = dataset_confusion("affectnet", zip(true, read, strict=True))

    def plain() -> list[float]:
        drawn = (rng.integers(0, true.size, true.size) for _ in range(_REPLICATES))
        return [f1_score(true[i], read[i], average="macro") for i in drawn]

    ours = seconds(lambda: bootstrap({"affectnet": counts}, replicates=_REPLICATES))
    peer = seconds(plain, repeats=1)
    title = f"{_REPLICATES} bootstrap replicates, {true.size:,} answers"
    compare(title, ours, peer, "scikit-learn in a loop (F1 alone)")


def _predictions(n: int) -> None:
    labels = LABEL_SPACES["affectnet"].labels
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "predictions.jsonl"
        with path.open("w", encoding="utf-8") as file:
            for number in range(n):
                said = response("The brows are lowered and drawn together.", labels[number % 7])
                row = {"dataset": "affectnet", "id": f"{number}.jpg", "target": labels[number % 8]}
                file.write(json.dumps({**row, "response": said}) + "\n")
        (ours, peak), (peer, peer_peak) = (_usage(code, path) for code in (_SCORE, _LOAD))
    print(
        f"ferbench score, {n:,} predictions: {ours:.1f} s of CPU, peak {peak:,.0f} MiB (limit "
        f"{_LIMIT} MiB)   json.loads of all lines {peer:.1f} s, {peer_peak:,.0f} MiB"
    )


def _usage(code: str, path: Path) -> tuple[float, float]:
    """Return the seconds of CPU that code takes in a process of its own, and its peak in MiB."""
    code = f"import json, sys, time\n{code}\n{_USAGE}"
    done = subprocess.run(
        [sys.executable, "-c", code, path], check=True, capture_output=True, text=True
    )
    took, peak = map(float, done.stdout.split())
    return took, peak


if __name__ == "__main__":
    main()
