"""Candidates ranked by likelihood: a shared prompt gives what a prompt for each would."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

pytest.importorskip("lmms_eval")

from unifer_tasks.harness.models.unifer import UniFER
from unifer_tasks.protocol.prompts import direct_question
from unifer_tasks.protocol.ranking import answer_block

# Of several lengths in tokens, as are the questions, so that both are padded.
CANDIDATES = (["happy", "sad", "fear"], ["happiness", "an unknown word", "a"], ["contempt"])


def messages(labels: list[str], seed: int) -> list[dict[str, Any]]:
    noise = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (224, 224, 3), generator=noise, dtype=torch.uint8)
    image = {"type": "image", "url": Image.fromarray(pixels.numpy())}
    return [{"role": "user", "content": [image, {"type": "text", "text": direct_question(labels)}]}]


@pytest.fixture(scope="module")
def model(seeing_model: Path) -> UniFER:
    return UniFER(str(seeing_model), device="cpu")


@torch.inference_mode()
def one_by_one(model: UniFER, chat: list[dict[str, Any]], text: str) -> float:
    """The likelihood of a text, in a forward pass of its own without a cache."""
    inputs = model._inputs([chat])
    reply = torch.tensor([model.tokenizer.encode(text)])
    n = reply.shape[1]
    inputs["input_ids"] = torch.cat([inputs["input_ids"], reply], dim=1)
    for name in ("attention_mask", "mm_token_type_ids"):
        more = torch.full_like(reply, int(name == "attention_mask"))
        inputs[name] = torch.cat([inputs[name], more], dim=1)
    logits = model.model(**inputs).logits[0, -n - 1 : -1]
    return float(logits.log_softmax(-1).gather(-1, reply[0, :, None]).sum())


def test_one_batch_gives_what_a_loop_gives(model: UniFER) -> None:
    chats = [messages(labels, seed) for seed, labels in enumerate(CANDIDATES)]
    texts = [list(map(answer_block, labels)) for labels in CANDIDATES]
    batched = model.log_likelihoods(chats, texts)
    looped = [
        [one_by_one(model, chat, text) for text in own]
        for chat, own in zip(chats, texts, strict=True)
    ]
    assert [len(own) for own in batched] == [3, 3, 1]
    for own, expected in zip(batched, looped, strict=True):
        assert own == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_one_token_is_the_next_tokens_probability(model: UniFER) -> None:
    chat = messages(CANDIDATES[0], 0)
    vocabulary = model.tokenizer.convert_ids_to_tokens(range(len(model.tokenizer)))
    singles = [
        text
        for text in ("<think>", "<answer>", "a", "b", "c", ".")
        if len(model.tokenizer.encode(text)) == 1
    ]
    assert len(singles) > 2
    assert vocabulary
    (figures,) = model.log_likelihoods([chat], [singles])
    assert sum(map(math.exp, figures)) <= 1 + 1e-6
    assert figures == pytest.approx([one_by_one(model, chat, text) for text in singles], abs=1e-4)
