"""Reading answers and intervals, beside the paper's pattern and a plain bootstrap loop.

Run alone: `python -m benchmarks.scoring`.
"""

from __future__ import annotations

import re

import numpy as np
from sklearn.metrics import f1_score

from benchmarks.timing import compare, seconds
from unifer_tasks.protocol.answers import read_answer, read_upstream
from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.protocol.prompts import response
from unifer_tasks.scoring.metrics import bootstrap, dataset_confusion

_PATTERN = re.compile(r"<answer>\s*(.*?)\s*</answer>", re.IGNORECASE)
_REPLICATES = 200


def main() -> None:
    """Prints a line for each measurement."""
    _readers()
    _intervals()


def _readers() -> None:
    sentence = "The brows are lowered and drawn together, the lids are tight. "
    usual = [response(sentence * 15, "fear")] * 2000
    hostile = ["<answer>" * 2000]
    for title, texts in (("2,000 responses of 200 words", usual), ("2,000 open tags", hostile)):
        peer = seconds(lambda texts=texts: [_PATTERN.search(text) for text in texts])
        for name, read in (("strict", read_answer), ("upstream", read_upstream)):
            ours = seconds(lambda texts=texts, read=read: [read(text, "rafdb") for text in texts])
            compare(f"{name} reader, {title}", ours, peer, "upstream's pattern alone")


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


if __name__ == "__main__":
    main()
