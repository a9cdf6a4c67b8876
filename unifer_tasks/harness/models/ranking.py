"""Models that rank the candidate labels by their likelihood as the answer."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType
from typing import Any

import torch
from lmms_eval.api.instance import GenerationResult, Instance
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm

from unifer_tasks.data.predictions import PredictionError
from unifer_tasks.harness.models.our_model import OurModel
from unifer_tasks.protocol.variants.forced import OWN, Beginnings, write_forced
from unifer_tasks.protocol.variants.ranking import (
    DIRECT,
    FORCED,
    RANK,
    REASONED,
    answer_block,
    reasoning,
    write_ranking,
)

Tokens = Sequence[int]


class RankingModel(OurModel):
    """A model that answers requests for a ranking itself, and leaves the others to its parent.

    Attributes:
        rationales: Dataset and id of a question -> how the replies to it begin, where answers are
            to be forced.
    """

    ranks_candidates = True
    rationales: Mapping[tuple[str, str], Beginnings] = MappingProxyType({})

    @abstractmethod
    def log_likelihoods(
        self,
        messages: Sequence[list[dict[str, Any]]],
        begun: Sequence[Sequence[str]],
        texts: Sequence[Sequence[str]],
    ) -> Sequence[Sequence[Sequence[float]]]:
        """Return the log-probability of each text as the next words of each begun reply.

        Args:
            messages: The conversation of each question, as lmms-eval's tasks build it.
            begun: How the replies to each question begin, at least one; may be empty.
            texts: The texts of each question, at least one.

        Returns:
            For each question and beginning, one figure a text.
        """

    def generate_until(self, requests: list[Instance]) -> list[str | GenerationResult]:
        """Return the answer to each question."""
        begun = {
            number: self._begun(request)
            for number, request in enumerate(requests)
            if _rank(request) in (DIRECT, FORCED)
        }
        to_answer = [r for number, r in enumerate(requests) if number not in begun]
        answers = iter(super().generate_until(to_answer) if to_answer else ())
        given: dict[int, str | GenerationResult] = {}
        for number, request in enumerate(requests):
            if number in begun:
                continue
            given[number] = next(answers)
            if _rank(request) == REASONED:
                begun[number] = Beginnings({OWN: reasoning(_text(given[number]))})
        begun = dict(sorted(begun.items()))
        ranked = self._rankings([requests[number] for number in begun], list(begun.values()))
        given |= dict(zip(begun, ranked, strict=True))
        return [given[number] for number in range(len(requests))]

    def begins_with(self, request: Instance) -> Iterable[str]:
        """Return how the replies begin that an earlier run decides; they decide the answer too."""
        return self._begun(request).texts.values() if _rank(request) == FORCED else ()

    def _begun(self, request: Instance) -> Beginnings:
        if _rank(request) == DIRECT:
            return Beginnings({OWN: ""})
        doc = self._doc(request)
        try:
            return self.rationales[doc["dataset"], doc["id"]]
        except KeyError:
            raise PredictionError(
                f"the run that `rationales` names has no response to {doc['dataset']} "
                f"{doc['id']!r}; it is of other data, of other questions or interrupted"
            ) from None

    def _doc(self, request: Instance) -> Any:
        *_, doc_id, task, split = request.args
        return self.task_dict[task][split][doc_id]

    def _rankings(self, requests: Sequence[Instance], begun: Sequence[Beginnings]) -> Sequence[str]:
        # Rankings are not sampled: what `--repeats` asks again with the same beginning is known.
        keys = [
            (*request.args[3:], *own.texts.values())
            for request, own in zip(requests, begun, strict=True)
        ]
        different = dict(zip(keys, zip(requests, begun, strict=True), strict=True))
        asked = list(different.values())
        rankings: list[str] = []
        size = self.batch_size_per_gpu
        starts = range(0, len(asked), size)
        for start in tqdm(starts, desc="Model Ranking", disable=not asked or self.rank != 0):
            batch = asked[start : start + size]
            docs = [self._doc(request) for request, _ in batch]
            messages = [request.args[1](doc) for (request, _), doc in zip(batch, docs, strict=True)]
            candidates = [doc["candidate_labels"] for doc in docs]
            texts = [list(map(answer_block, labels)) for labels in candidates]
            replies = [list(own.texts.values()) for _, own in batch]
            figures = self.log_likelihoods(messages, replies, texts)
            for (request, own), labels, found in zip(batch, candidates, figures, strict=True):
                by_label = [dict(zip(labels, each, strict=True)) for each in found]
                conditions = dict(zip(own.texts, by_label, strict=True))
                rankings.append(
                    write_forced(conditions, own)
                    if _rank(request) == FORCED
                    else write_ranking(conditions[OWN], own.texts[OWN])
                )
        known = dict(zip(different, rankings, strict=True))
        return [known[key] for key in keys]


def _rank(request: Instance) -> str | None:
    rank: str | None = request.args[2].get(RANK)
    return rank


def _text(answer: str | GenerationResult) -> str:
    return answer.text if isinstance(answer, GenerationResult) else answer


@torch.inference_mode()
def continued_log_likelihoods(
    model: Any,
    inputs: Any,
    begun: Sequence[Sequence[Tokens]],
    continuations: Sequence[Sequence[Tokens]],
) -> list[list[list[float]]]:
    """Return the log-probability of each continuation of some prompts, after each beginning.

    The prompts, with their images, are computed once, and so is each beginning; what follows
    shares their keys and values. The n-th beginnings of all prompts are one batch and so are
    their continuations, so that memory is that of one beginning.

    Args:
        model: A Qwen2.5-VL of transformers.
        inputs: What the processor made of the prompts, padded on the left; (Q, L) tokens.
        begun: For each of the Q prompts, the tokens of at least one beginning; may be empty.
        continuations: For each of the Q prompts, at least one list of tokens, none empty.
    """
    output = model(**inputs, use_cache=True, logits_to_keep=1)
    prompt = _Read(
        inputs["attention_mask"],
        output.past_key_values,
        output.logits[:, -1],
        # Positions of an image's tokens are fewer than its tokens: the model noted by how many.
        model.model.rope_deltas,
    )
    found: list[list[list[float]]] = [[] for _ in begun]
    for turn in range(max(map(len, begun))):
        prompts = [number for number, own in enumerate(begun) if len(own) > turn]
        read = _read_on(model, prompt, prompts, [begun[number][turn] for number in prompts])
        listed = [continuations[number] for number in prompts]
        places = [place for place, own in enumerate(listed) for _ in own]
        sums = iter(_log_likelihoods(model, read, places, list(chain.from_iterable(listed))))
        for number, own in zip(prompts, listed, strict=True):
            found[number].append([next(sums) for _ in own])
    return found


@dataclass(frozen=True, slots=True)
class _Read:
    """The state of a model after it has read several texts.

    Attributes:
        mask: 1 where a token is, 0 where there is padding; (N, L).
        cache: Keys and values of the tokens.
        logits: Of the token that comes next; (N, V).
        deltas: The difference of a token's position and the number of tokens before it; (N, 1).
    """

    mask: torch.Tensor
    cache: Any
    logits: torch.Tensor
    deltas: torch.Tensor


def _read_on(model: Any, read: _Read, texts: Sequence[int], more: Sequence[Tokens]) -> _Read:
    """Let a model read more of some of the texts and return its new state; `read` is unchanged."""
    index = torch.tensor(texts, device=read.logits.device)
    tokens, given = _padded(more, read.logits.device, side="left")
    logits = read.logits[index]
    mask, cache, output = _forward(model, read, index, tokens, given, logits_to_keep=1)
    if output is not None:
        logits = torch.where(given[:, -1:] == 1, output[:, -1], logits)
    return _Read(mask, cache, logits, read.deltas[index])


def _log_likelihoods(
    model: Any, read: _Read, texts: Sequence[int], more: Sequence[Tokens]
) -> list[float]:
    """Return the log-probability of each of `more` behind the text with its number."""
    index = torch.tensor(texts, device=read.logits.device)
    tokens, given = _padded(more, read.logits.device, side="right")
    logits = read.logits[index][:, None]
    # The last token of each row predicts nothing that is asked for.
    _, _, output = _forward(model, read, index, tokens[:, :-1], given[:, :-1])
    if output is not None:
        logits = torch.cat([logits, output], dim=1)
    chosen = logits.float().log_softmax(-1).gather(-1, tokens[..., None])[..., 0]
    return list(map(float, (chosen * given).sum(-1).tolist()))


def _padded(
    rows: Sequence[Tokens], device: torch.device, side: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return rows of tokens as one tensor, padded on one side, and 1 where a token is."""
    tokens = [torch.tensor(row, dtype=torch.long, device=device) for row in rows]
    ones = list(map(torch.ones_like, tokens))
    return (
        pad_sequence(tokens, batch_first=True, padding_side=side),
        pad_sequence(ones, batch_first=True, padding_side=side),
    )


def _forward(
    model: Any,
    read: _Read,
    index: torch.Tensor,
    tokens: torch.Tensor,
    given: torch.Tensor,
    **options: Any,
) -> tuple[torch.Tensor, Any, torch.Tensor | None]:
    """Return mask and cache with the tokens in them, and the logits behind the tokens, if any."""
    mask = torch.cat([read.mask[index], given], dim=1)
    cache = _selected(read.cache, index)
    if not tokens.shape[1]:
        return mask, cache, None
    positions = mask.cumsum(-1)[:, -tokens.shape[1] :] - 1 + read.deltas[index]
    output = model(
        input_ids=tokens,
        attention_mask=mask,
        position_ids=positions.expand(3, -1, -1),
        past_key_values=cache,
        **options,
    )
    return mask, output.past_key_values, output.logits


def _selected(cache: Any, index: torch.Tensor) -> Any:
    """Return the cache of some rows; the given one is unchanged."""
    selected = copy.copy(cache)
    # Layers take new tensors in place of their own, and change none.
    selected.layers = list(map(copy.copy, cache.layers))
    selected.batch_select_indices(index)
    return selected
