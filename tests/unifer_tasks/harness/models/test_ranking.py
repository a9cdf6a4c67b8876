"""Candidates ranked by likelihood: a shared prompt gives what a prompt for each would."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from pyarrow import parquet

pytest.importorskip("lmms_eval")

from lmms_eval.api.instance import GenerationResult, Instance
from lmms_eval.api.model import lmms

from unifer_tasks.data.predictions import PredictionError
from unifer_tasks.ferbench.utils import doc_to_text, doc_to_visual
from unifer_tasks.harness.models.ranking import RankingModel
from unifer_tasks.harness.models.unifer import UniFER
from unifer_tasks.protocol.answers.strict import read_answer
from unifer_tasks.protocol.prompts import direct_question
from unifer_tasks.protocol.variants.forced import (
    OTHER,
    OWN,
    Beginnings,
    Said,
    beginnings,
    read_forced,
)
from unifer_tasks.protocol.variants.ranking import DIRECT, FORCED, RANK, REASONED, answer_block

# Of several lengths in tokens, as are the questions and how replies begin, so that all are padded.
CANDIDATES = (["happy", "sad", "fear"], ["happiness", "an unknown word", "a"], ["contempt"])
BEGUN = (
    ["", "<think>Brows lowered.</think>\n"],
    ["<think>Brows lowered.</think>\n", "", "Sad.\n"],
    ["<think>No.</think>\n"],
)


def messages(labels: list[str], seed: int) -> list[dict[str, Any]]:
    noise = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (224, 224, 3), generator=noise, dtype=torch.uint8)
    image = {"type": "image", "url": Image.fromarray(pixels.numpy())}
    return [{"role": "user", "content": [image, {"type": "text", "text": direct_question(labels)}]}]


@pytest.fixture(scope="module")
def model(seeing_model: Path) -> UniFER:
    return UniFER(str(seeing_model), device="cpu", batch_size=7)


@torch.inference_mode()
def one_by_one(model: UniFER, chat: list[dict[str, Any]], begun: str, text: str) -> float:
    """Return the likelihood of a text, from a forward pass of its own without a cache."""
    inputs = model._inputs([chat])
    n = len(model.tokenizer.encode(text))
    reply = torch.tensor([model.tokenizer.encode(begun) + model.tokenizer.encode(text)])
    inputs["input_ids"] = torch.cat([inputs["input_ids"], reply], dim=1)
    for name in ("attention_mask", "mm_token_type_ids"):
        more = torch.full_like(reply, int(name == "attention_mask"))
        inputs[name] = torch.cat([inputs[name], more], dim=1)
    logits = model.model(**inputs).logits[0, -n - 1 : -1]
    return float(logits.log_softmax(-1).gather(-1, reply[0, -n:, None]).sum())


def test_one_batch_gives_what_a_loop_gives(model: UniFER) -> None:
    chats = [messages(labels, seed) for seed, labels in enumerate(CANDIDATES)]
    texts = [list(map(answer_block, labels)) for labels in CANDIDATES]
    batched = model.log_likelihoods(chats, BEGUN, texts)
    looped = [
        [[one_by_one(model, chat, begun, text) for text in own] for begun in beginnings]
        for chat, beginnings, own in zip(chats, BEGUN, texts, strict=True)
    ]
    assert [list(map(len, own)) for own in batched] == [[3, 3], [3, 3, 3], [1]]
    for own, expected in zip(batched, looped, strict=True):
        for found, alone in zip(own, expected, strict=True):
            assert found == pytest.approx(alone, rel=1e-4, abs=1e-4)


def test_one_token_is_the_next_tokens_probability(model: UniFER) -> None:
    chat = messages(CANDIDATES[0], 0)
    singles = ["<think>", "<answer>", "a", "b", "c", "."]
    assert all(len(model.tokenizer.encode(text)) == 1 for text in singles)
    ((figures,),) = model.log_likelihoods([chat], [[""]], [singles])
    assert sum(map(math.exp, figures)) <= 1 + 1e-6
    assert figures == pytest.approx([one_by_one(model, chat, "", t) for t in singles], abs=1e-4)


def test_the_trained_checkpoint_answers_what_the_rationale_argues_for(
    model: UniFER, stand_in: Path
) -> None:
    rows = parquet.read_table(stand_in / "sfew" / "test.parquet").to_pylist()
    docs = [{**row, "image": Image.open(io.BytesIO(row["image"]["bytes"]))} for row in rows]
    model.task_dict = {"t": {"test": docs}}
    replies = model.generate_until([request(None, k, as_messages) for k in range(len(docs))])
    said = [
        Said(doc["id"], reply.text, read_answer(reply.text, "sfew").label)
        for doc, reply in zip(docs, replies, strict=True)
        if isinstance(reply, GenerationResult)
    ]
    model.rationales = {("sfew", id_): begun for id_, begun in beginnings(said).items()}
    answers = model.generate_until([request(FORCED, k, as_messages) for k in range(len(docs))])
    found = [read_forced(str(answer)) for answer in answers]
    pairs = [(one, own.label) for one, own in zip(found, said, strict=True) if one]
    assert len(pairs) == 14
    assert sum(one.answer(OWN) == label for one, label in pairs) >= 12
    assert sum(one.answer(OTHER) == one.other_answer != label for one, label in pairs) >= 12


def as_messages(doc: Any) -> list[dict[str, Any]]:
    (image,), text = doc_to_visual(doc), doc_to_text(doc)
    content = [{"type": "image", "url": image}, {"type": "text", "text": text}]
    return [{"role": "user", "content": content}]


def request(rank: str | None, number: int, messages: Any = lambda doc: []) -> Instance:
    options = {RANK: rank} if rank else {"max_new_tokens": 64, "until": []}
    metadata = {"task": "t", "doc_id": number, "repeats": 1}
    return Instance("generate_until", ("", messages, options, number, "t", "test"), 0, metadata)


class Echo(RankingModel):
    """A model to which a label is the likelier the longer it is."""

    batch_size_per_gpu = 2

    def __init__(self) -> None:
        super().__init__()
        docs: list[dict[str, Any]] = [{"candidate_labels": labels} for labels in CANDIDATES]
        self.task_dict = {"t": {"test": docs}}
        self.seen: list[tuple[Sequence[str], int]] = []

    def log_likelihoods(
        self,
        messages: Sequence[Any],
        begun: Sequence[Sequence[str]],
        texts: Sequence[Sequence[str]],
    ) -> Sequence[Sequence[Sequence[float]]]:
        self.seen += [(own, len(listed)) for own, listed in zip(begun, texts, strict=True)]
        return [
            [[float(len(text)) for text in listed] for _ in own]
            for own, listed in zip(begun, texts, strict=True)
        ]

    def loglikelihood(self, requests: Any) -> Any:
        raise NotImplementedError

    def generate_until_multi_round(self, requests: Any) -> Any:
        raise NotImplementedError


class Thinking(lmms):  # type: ignore[misc]
    """What a back end generates."""

    def generate_until(self, requests: list[Instance]) -> list[GenerationResult]:
        return [
            GenerationResult(f"<think>No. {request.args[3]}.</think><answer>sad</answer>")
            for request in requests
        ]


class Both(Echo, Thinking):
    """As `UniFER` is one of a back end."""


def test_requests_of_both_kinds_keep_their_order() -> None:
    kinds = [REASONED, None, DIRECT]
    requests = [request(kind, number) for number, kind in enumerate(kinds)]
    model = Both()
    first, second, third = model.generate_until(requests)
    assert isinstance(first, str)
    assert first.startswith("<think>No. 0.</think>\n<answer>happy</answer> {")
    assert second == GenerationResult("<think>No. 1.</think><answer>sad</answer>")
    assert third == '<answer>contempt</answer> {"contempt": 25.0}'
    assert model.seen == [(["<think>No. 0.</think>\n"], 3), ([""], 1)]


def test_what_is_asked_again_with_the_same_beginning_is_ranked_once() -> None:
    asked = [request(kind, number) for kind, number in ((DIRECT, 0), (REASONED, 1), (DIRECT, 2))]
    model = Both()
    answers = model.generate_until([each for each in asked for _ in range(3)])
    assert answers == [answer for answer in answers[::3] for _ in range(3)]
    assert model.seen == [([""], 3), (["<think>No. 1.</think>\n"], 3), ([""], 1)]


def test_a_question_that_the_earlier_run_lacks_is_named() -> None:
    model = Both()
    model.task_dict = {"t": {"test": [{"dataset": "sfew", "id": "a/1.png"}]}}
    with pytest.raises(PredictionError, match=r"has no response to sfew 'a/1.png'; it is of"):
        model.generate_until([request(FORCED, 0)])


def test_answers_are_kept_by_what_the_replies_begin_with() -> None:
    model = Both()
    model.task_dict = {"t": {"test": [{"dataset": "sfew", "id": "a"}]}}
    model.rationales = {("sfew", "a"): Beginnings({OWN: "Seen.\n"})}
    begun = [list(model.begins_with(request(kind, 0))) for kind in (FORCED, DIRECT, None)]
    assert begun == [["Seen.\n"], [], []]
