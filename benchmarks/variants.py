"""The cost of the variants of the benchmark, beside generating the base's answers.

The same questions on synthetic faces are answered in turn in one process, after a round that does
not count; the rationales are those of the base. A ratio is the median of the rounds, and depends
on how long the model reasons. AffectNet-7 is compared with AffectNet, question by question.

Run alone: `python -m benchmarks.variants`, or with a number of questions and a Qwen2.5-VL in the
place of the tiny one of `recipes/tiny_cpu`: `... 32 --model Qwen/Qwen2.5-VL-7B-Instruct`.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

from benchmarks.arguments import run_alone
from unifer_tasks.harness.models.unifer import UniFER
from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.protocol.variants.forced import Beginnings, Said, beginnings
from unifer_tasks.protocol.variants.listed import BASE, TASKS, VARIANTS, task_name

_QUESTIONS = 32
_ROUNDS = 5
_DATASET = "ferplus"
_TRAINED = Path(__file__).parents[1] / "recipes" / "tiny_cpu" / "checkpoint"

# The task of a variant -> the one of the base with the same images. Of the corruptions the task of
# all kinds is enough, and the answers to the orders of the candidates are counted as one.
_BESIDE: Mapping[str, str] = {
    **{
        task_name(_DATASET, variant): task_name(_DATASET)
        for variant in VARIANTS.values()
        if len(variant.corrupts) != 1
    },
    **{task_name(key): task_name(own.part_of) for key, own in LABEL_SPACES.items() if own.part_of},
}


def main(questions: int = _QUESTIONS, checkpoint: str | None = None) -> None:
    """Print a line for each variant: its time, that of the base, and how often it is contained."""
    with tempfile.TemporaryDirectory() as folder:
        requests, datasets = _requests(questions, Path(folder))
        model = UniFER(checkpoint or str(_TRAINED), batch_size=questions)
        model.task_dict.update(datasets)
        base = task_name(_DATASET)
        texts = list(map(_text, model.generate_until(requests[base])))
        model.rationales = _rationales(datasets[base]["test"]["id"], texts)
        for own in requests.values():
            model.generate_until(own)
        # On a CPU its own time, which other work on the machine hardly disturbs.
        clock = time.process_time if model.device.type == "cpu" else time.perf_counter
        took: dict[str, list[float]] = {name: [] for name in requests}
        for _ in range(_ROUNDS):
            for name, own in requests.items():
                start = clock()
                model.generate_until(own)
                took[name].append(clock() - start)
        n_tokens = mean(len(model.tokenizer.encode(text)) for text in texts)
    print(f"{questions} questions; the base's answers have {n_tokens:.0f} tokens on average")
    for name, peer in _BESIDE.items():
        ratios = [own / other for own, other in zip(took[name], took[peer], strict=True)]
        print(
            f"{name:<44} {median(took[name]):>9.4f} s   {peer} {median(took[peer]):>9.4f} s   "
            f"times as much {median(ratios):>6.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
            flush=True,
        )


def _requests(questions: int, folder: Path) -> tuple[Mapping[str, list[Any]], Mapping[str, Any]]:
    """Return lmms-eval's requests of each task, and the datasets behind them."""
    import lmms_eval.models  # noqa: F401  (loads the plug-ins)
    from lmms_eval.tasks import TaskManager, get_task_dict

    from data_prep.cli.main import main as unifer_data

    per_class = -(-questions // min(len(own.labels) for own in LABEL_SPACES.values()))
    unifer_data(["drawn", "--out", str(folder / "data"), "--per-class", str(per_class)])
    os.environ.update(
        FERBENCH_DATA=str(folder / "data"),
        HF_DATASETS_CACHE=str(folder / "cache"),
        HF_HUB_OFFLINE="1",
    )
    names = [*dict.fromkeys([*_BESIDE.values(), *_BESIDE])]
    tasks = get_task_dict(names, TaskManager(), "chat")
    for name, task in tasks.items():
        variant, dataset = TASKS[name]
        task.build_all_requests(
            rank=0, world_size=1, limit=questions * variant.times_asked(dataset)
        )
    requests = {name: tasks[name].instances for name in names}
    return requests, {name: task.dataset for name, task in tasks.items()}


def _rationales(ids: Sequence[str], texts: Sequence[str]) -> Mapping[tuple[str, str], Beginnings]:
    said = [
        Said(id_, text, BASE.read(text, _DATASET).label)
        for id_, text in zip(ids, texts, strict=False)
    ]
    return {(_DATASET, id_): own for id_, own in beginnings(said).items()}


def _text(answer: Any) -> str:
    return str(getattr(answer, "text", answer))


if __name__ == "__main__":
    run_alone(main, questions=_QUESTIONS)
