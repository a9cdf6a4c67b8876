"""Candidates ranked by likelihood: over a shared prompt, and beside generating an answer.

* The peer of the shared prompt is a loop that puts each candidate behind the whole prompt, image
  included, and computes all of it again, one batch of questions for each candidate. Both rank the
  same candidates of the same questions in `--model unifer`, and their figures are compared.
* What `ferbench_ranked`, `ferbench_ranked_reasoned` and `ferbench_rationale` cost is told beside
  `ferbench`: the same questions on synthetic faces, answered in turn in one process, after a round
  that does not count; the rationales are those of the base. The ratio is the median of the rounds.
  It depends on how long the model reasons.

Run alone: `python -m benchmarks.ranking`, or with a number of questions and a Qwen2.5-VL in the
place of the tiny ones: `... 32 --model Qwen/Qwen2.5-VL-7B-Instruct`. The tiny model of the first
part is untrained, that of the second the trained one of `recipes/tiny_cpu`.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

import torch
from PIL import Image

from benchmarks.timing import compare, seconds
from unifer_tasks.harness.models.tiny import write_tiny_model
from unifer_tasks.harness.models.unifer import UniFER
from unifer_tasks.protocol.forced import Beginnings, Said, beginnings
from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.protocol.prompts import direct_question
from unifer_tasks.protocol.ranking import answer_block
from unifer_tasks.protocol.variants import BASE, VARIANTS, task_name

_QUESTIONS = 32
_ROUNDS = 5
_DATASET = "ferplus"
_TRAINED = Path(__file__).parents[1] / "recipes" / "tiny_cpu" / "checkpoint"


def main(questions: int = _QUESTIONS, checkpoint: str | None = None) -> None:
    """Print a line of time, one of the greatest difference, and one for each way of ranking."""
    with tempfile.TemporaryDirectory() as folder:
        untrained = f"{folder}/tiny"
        if checkpoint is None:
            write_tiny_model(Path(untrained))
        _beside_a_loop(UniFER(checkpoint or untrained), questions)
        _beside_the_base(checkpoint or str(_TRAINED), questions, Path(folder))


def _beside_a_loop(model: UniFER, questions: int) -> None:
    labels = LABEL_SPACES[_DATASET].labels
    chats = [_chat(direct_question(labels)) for _ in range(questions)]
    texts = [list(map(answer_block, labels))] * questions
    begun = [[""]] * questions
    ours = [own for (own,) in model.log_likelihoods(chats, begun, texts)]
    peers = _loop(model, chats, texts[0])
    compare(
        f"{questions} questions of {len(labels)} candidates",
        seconds(lambda: model.log_likelihoods(chats, begun, texts), repeats=3),
        seconds(lambda: _loop(model, chats, texts[0]), repeats=3),
        "loop over candidates",
    )
    pairs = zip(ours, peers, strict=True)
    most = max(abs(a - b) for own, peer in pairs for a, b in zip(own, peer, strict=True))
    print(f"{'greatest difference of a log-probability':<44} {most:>9.2g}", flush=True)


def _chat(text: str) -> list[dict[str, Any]]:
    image = {"type": "image", "url": Image.effect_noise((224, 224), 80).convert("RGB")}
    return [{"role": "user", "content": [image, {"type": "text", "text": text}]}]


@torch.inference_mode()
def _loop(
    model: UniFER, chats: Sequence[list[dict[str, Any]]], texts: Sequence[str]
) -> list[list[float]]:
    columns = []
    for text in texts:
        tokens = torch.tensor(model.tokenizer.encode(text, add_special_tokens=False))
        inputs = model._inputs(chats)
        reply = tokens.to(model.model.device).expand(len(chats), -1)
        for name, values in (
            ("input_ids", reply),
            ("attention_mask", torch.ones_like(reply)),
            ("mm_token_type_ids", torch.zeros_like(reply)),
        ):
            inputs[name] = torch.cat([inputs[name], values], dim=1)
        logits = model.model(**inputs, logits_to_keep=len(tokens) + 1).logits[:, :-1].float()
        chosen = logits.log_softmax(-1).gather(-1, reply[..., None])
        columns.append(chosen.sum((1, 2)).tolist())
    return [list(own) for own in zip(*columns, strict=True)]


def _beside_the_base(checkpoint: str, questions: int, folder: Path) -> None:
    """Print what each way of ranking takes, as a multiple of what generating an answer takes."""
    requests, datasets = _requests(questions, folder)
    model = UniFER(checkpoint, batch_size=questions)
    model.task_dict.update(datasets)
    base, *ranked = requests
    texts = list(map(_text, model.generate_until(requests[base])))
    model.rationales = _rationales(datasets[base]["test"]["id"], texts)
    for name in ranked:
        model.generate_until(requests[name])
    # On a CPU its own time, which other work on the machine hardly disturbs.
    clock = time.process_time if model.device.type == "cpu" else time.perf_counter
    took: dict[str, list[float]] = {name: [] for name in requests}
    for _ in range(_ROUNDS):
        for name, own in requests.items():
            start = clock()
            model.generate_until(own)
            took[name].append(clock() - start)
    n_tokens = mean(len(model.tokenizer.encode(text)) for text in texts)
    print(
        f"{questions} questions at once; the base's answers have {n_tokens:.0f} tokens on average"
    )
    for name in ranked:
        ratios = [own / peer for own, peer in zip(took[name], took[base], strict=True)]
        print(
            f"{name:<44} {median(took[name]):>9.4f} s   {base} {median(took[base]):>9.4f} s   "
            f"times as much {median(ratios):>6.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
            flush=True,
        )


def _requests(questions: int, folder: Path) -> tuple[Mapping[str, list[Any]], Mapping[str, Any]]:
    """Return lmms-eval's requests of each task, the base first, and the datasets behind them."""
    import lmms_eval.models  # noqa: F401  (loads the plug-ins)
    from lmms_eval.tasks import TaskManager, get_task_dict

    from data_prep.cli.main import main as unifer_data

    per_class = -(-questions // len(LABEL_SPACES[_DATASET].labels))
    unifer_data(["drawn", "--out", str(folder / "data"), "--per-class", str(per_class)])
    os.environ.update(
        FERBENCH_DATA=str(folder / "data"),
        HF_DATASETS_CACHE=str(folder / "cache"),
        HF_HUB_OFFLINE="1",
    )
    variants = (BASE, *(variant for variant in VARIANTS.values() if variant.ranks))
    names = [task_name(_DATASET, variant) for variant in variants]
    tasks = get_task_dict(names, TaskManager(), "chat")
    for task in tasks.values():
        task.build_all_requests(rank=0, world_size=1, limit=questions)
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
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ranking")
    parser.add_argument("questions", type=int, nargs="?", default=_QUESTIONS)
    parser.add_argument("--model", help="a folder or hub id of a Qwen2.5-VL (default: tiny ones)")
    args = parser.parse_args()
    main(args.questions, args.model)
