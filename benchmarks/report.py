"""A report of 20 models on all 11,072 questions, and its intervals beside scikit-learn's.

Run alone: `python -m benchmarks.report [MODELS]`.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from benchmarks.timing import compare, seconds
from unifer_tasks.protocol.labels import FERBENCH, LabelSpace, canonical
from unifer_tasks.protocol.prompts import response
from unifer_tasks.scoring.metrics import bootstrap, dataset_confusion

_MODELS = 20
_REPLICATES = 2000
_PEER_REPLICATES = 10

_COMMAND = "import sys; from unifer_tasks.cli.main import main; sys.exit(main())"

_OPENINGS = ("The face shows", "I can see", "There are", "Looking closely, I notice")
_SIGNS = (
    "raised brows", "wide open eyes", "lowered brows drawn together", "tight lips",
    "raised lip corners", "a wrinkled nose", "lip corners that point down", "no frown",
    "a dropped jaw", "raised cheeks", "a relaxed mouth", "narrowed eyelids",
)  # fmt: skip


def main() -> None:
    """Print a line for each measurement."""
    _intervals()
    _report(int(sys.argv[1]) if len(sys.argv) > 1 else _MODELS)


def _intervals() -> None:
    rng = np.random.default_rng(0)
    true, read = {}, {}
    for dataset, space in FERBENCH.items():
        true[dataset] = np.array(_targets(space))
        guessed = rng.choice(space.labels, space.n_test)
        read[dataset] = np.where(rng.random(space.n_test) < 0.6, true[dataset], guessed)
    counts = {d: dataset_confusion(d, zip(true[d], read[d], strict=True)) for d in true}
    shared = np.vectorize(canonical)
    columns = [{d: shared(column[d]) for d in true} for column in (true, read)]

    def plain() -> None:
        drawn = {d: rng.integers(0, true[d].size, true[d].size) for d in true}
        parts = [(true[d][rows], read[d][rows]) for d, rows in drawn.items()]
        pooled = [
            np.concatenate([column[d][rows] for d, rows in drawn.items()]) for column in columns
        ]
        for truth, answer in (*parts, pooled):
            accuracy_score(truth, answer)
            precision_recall_fscore_support(truth, answer, average="macro", zero_division=0)

    def peers() -> None:
        for _ in range(_PEER_REPLICATES):
            plain()

    ours = seconds(lambda: bootstrap(counts, replicates=_REPLICATES))
    peer = seconds(peers, repeats=1)
    peer *= _REPLICATES / _PEER_REPLICATES
    compare(
        f"{_REPLICATES:,} bootstrap replicates, all four datasets",
        ours,
        peer,
        f"scikit-learn in a loop (extrapolated from {_PEER_REPLICATES} replicates)",
    )


def _report(models: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        runs = [_write_run(Path(folder) / f"model-{n:02d}.jsonl", n) for n in range(models)]
        out = Path(folder) / "report"
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", _COMMAND, "report", *runs, "--out", out],
            check=True,
            env={key: value for key, value in os.environ.items() if key != "FERBENCH_DATA"},
            stdout=subprocess.DEVNULL,
        )
        took = time.perf_counter() - start
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        page = (out / "index.html").stat().st_size
        words = sum(path.stat().st_size for path in runs)
        print(
            f"report of {models} models x 11,072 samples ({words / 2**20:.0f} MiB): {took:.1f} s, "
            f"{usage.ru_utime + usage.ru_stime:.1f} s of CPU, page {page / 2**20:.1f} MiB, "
            f"peak memory {usage.ru_maxrss / 2**20:.2f} GiB"
        )


def _write_run(path: Path, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    skill = rng.uniform(0.3, 0.8)
    with path.open("w", encoding="utf-8") as file:
        for dataset, space in FERBENCH.items():
            for number, target in enumerate(_targets(space)):
                label = target if rng.random() < skill else rng.choice(space.labels)
                signs = rng.choice(_SIGNS, 10)
                sentences = [f"{rng.choice(_OPENINGS)} {sign}." for sign in signs]
                text = response(f"{' '.join(sentences)} The expression is {label}.", label)
                row = {"dataset": dataset, "id": f"{number:05d}", "target": target}
                file.write(json.dumps({**row, "response": text}) + "\n")
    return path


def _targets(space: LabelSpace) -> list[str]:
    return [label for label, count in space.test_counts.items() for _ in range(count)]


if __name__ == "__main__":
    main()
