"""The overhead of the benchmark's own code, beside a task of one line.

All 11,072 questions, with synthetic faces, go through the real `lmms-eval` with a model that
answers at once, but looks at each image as a model must. The peer asks about the same images,
resized by Pillow alone, with a one-line prompt and an exact match: what is left is lmms-eval's own
cost. Both are taken from the start of the command to its end, so start-up is in both.

Run alone: `python -m benchmarks.task`, or with a folder that `unifer-data drawn --like-ferbench`
wrote, which takes minutes: `... FOLDER`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_RUN = """
from lmms_eval import models
from lmms_eval.__main__ import cli_evaluate
from lmms_eval.api.model import lmms

class Instant(lmms):
    is_simple = False

    @classmethod
    def create_from_arg_string(cls, *given):
        return cls()

    def generate_until(self, requests):
        for request in requests:
            _, to_messages, _, row, task, split = request.args
            to_messages(self.task_dict[task][split][row])
        return ["<think>Corners up.</think><answer>happy</answer>"] * len(requests)

    loglikelihood = generate_until_multi_round = generate_until

models.get_model = lambda *given: Instant
cli_evaluate()
"""

_ONE_LINE = """\
dataset_path: parquet
dataset_kwargs: {{data_files: {{test: {path}}}}}
task: one_line_{dataset}
test_split: test
output_type: generate_until
doc_to_visual: !function one_line.visual
doc_to_text: "Which expression is this?"
doc_to_target: target
process_results: !function one_line.score
generation_kwargs: {{max_new_tokens: 16, until: []}}
metric_list: [{{metric: match, aggregation: mean, higher_is_better: true}}]
"""
_ONE_LINE_CODE = """
def visual(doc):
    return [doc["image"].convert("RGB").resize((224, 224), 3)]

def score(doc, results):
    return {"match": float(results[0] == doc["target"])}
"""


def main(data: str | None = None) -> None:
    """Print the seconds that each takes, and those of our code alone."""
    from data_prep.cli.main import main as unifer_data
    from unifer_tasks.data.manifest import read_manifest

    with tempfile.TemporaryDirectory() as folder:
        root = Path(data) if data else Path(folder) / "data"
        if data is None:
            unifer_data(["drawn", "--like-ferbench", "--out", str(root)])
        manifest = read_manifest(root)
        peers = Path(folder) / "one_line"
        peers.mkdir()
        (peers / "one_line.py").write_text(_ONE_LINE_CODE)
        for dataset, file in manifest.datasets.items():
            text = _ONE_LINE.format(path=root.resolve() / file.path, dataset=dataset)
            (peers / f"one_line_{dataset}.yaml").write_text(text)
        names = ",".join(f"one_line_{dataset}" for dataset in manifest.datasets)
        environment = {
            **os.environ,
            "FERBENCH_DATA": str(root),
            "HF_DATASETS_CACHE": str(Path(folder) / "cache"),
            "HF_HUB_OFFLINE": "1",
        }
        one_line = ("--tasks", names, "--include_path", str(peers))
        # The first run of any finds files and caches cold.
        for options in (one_line, ("--tasks", "ferbench")):
            _seconds(folder, environment, *options, "--limit", "8")
        peer = _seconds(folder, environment, *one_line)
        ours = _seconds(folder, environment, "--tasks", "ferbench")
        print(
            f"{manifest.n_rows:,} samples   ferbench {ours[0]:.1f} s (CPU {ours[1]:.1f} s)   "
            f"one-line task {peer[0]:.1f} s (CPU {peer[1]:.1f} s)   ratio {ours[1] / peer[1]:.2f}"
        )


def _seconds(folder: str, environment: dict[str, str], *options: str) -> tuple[float, float]:
    """Return the seconds that a run takes, on the wall and of CPU."""
    command = [sys.executable, "-c", _RUN, "--model", "instant", *options]
    log = Path(folder) / "log"
    start = time.perf_counter()
    with log.open("w") as file:
        process = subprocess.Popen(
            [*command, "--output_path", str(Path(folder) / "out"), "--log_samples"],
            stdout=file, stderr=file, env=environment,
        )  # fmt: skip
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    took = time.perf_counter() - start
    # lmms-eval exits 0 whatever happens.
    if process.returncode or not re.search(r"^\|", log.read_text(), re.MULTILINE):
        sys.exit(f"lmms-eval failed:\n{log.read_text()[-4000:]}")
    return took, usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main(*sys.argv[1:])
