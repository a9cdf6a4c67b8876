"""Candidates ranked by likelihood over a shared prompt, beside a loop over the candidates.

The loop puts each candidate behind the whole prompt, image included, and computes all of it again,
one batch of questions for each candidate. Both rank the same candidates of the same questions in
`--model unifer`, and their figures are compared.

Run alone: `python -m benchmarks.ranking`, or with a number of questions and a Qwen2.5-VL in the
place of an untrained tiny one: `... 32 --model Qwen/Qwen2.5-VL-7B-Instruct`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from benchmarks.arguments import run_alone
from benchmarks.timing import compare, seconds
from unifer_tasks.harness.models.tiny import write_tiny_model
from unifer_tasks.harness.models.unifer import UniFER
from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.protocol.prompts import direct_question
from unifer_tasks.protocol.variants.ranking import answer_block

_QUESTIONS = 32
_DATASET = "ferplus"


def main(questions: int = _QUESTIONS, checkpoint: str | None = None) -> None:
    """Print a line of time and one of the greatest difference."""
    with tempfile.TemporaryDirectory() as folder:
        untrained = f"{folder}/tiny"
        if checkpoint is None:
            write_tiny_model(Path(untrained))
        _beside_a_loop(UniFER(checkpoint or untrained), questions)


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


if __name__ == "__main__":
    run_alone(main, questions=_QUESTIONS)
