"""Models that can say how likely each candidate label is as the answer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from lmms_eval.api.instance import GenerationResult, Instance
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm

from unifer_tasks.harness.models.our_model import OurModel
from unifer_tasks.protocol.ranking import DIRECT, RANK, answer_block, reasoning, write_ranking

Tokens = Sequence[int]


class RankingModel(OurModel):
    """A model that answers requests for a ranking itself, and leaves the others to its parent."""

    ranks_candidates = True

    @abstractmethod
    def log_likelihoods(
        self,
        messages: Sequence[list[dict[str, Any]]],
        begun: Sequence[str],
        texts: Sequence[Sequence[str]],
    ) -> Sequence[Sequence[float]]:
        """Return the log-probability of each text as the next words of the reply.

        Args:
            messages: The conversation of each question, as lmms-eval's tasks build it.
            begun: How the reply to each begins; may be empty.
            texts: The texts of each question, at least one.
        """

    def generate_until(self, requests: list[Instance]) -> list[str | GenerationResult]:
        """Return the answer to each question."""
        asked: list[str | None] = [request.args[2].get(RANK) for request in requests]
        to_answer = [r for r, rank in zip(requests, asked, strict=True) if rank != DIRECT]
        answers = iter(super().generate_until(to_answer) if to_answer else ())
        given = [None if rank == DIRECT else next(answers) for rank in asked]
        begun = {
            number: "" if answer is None else reasoning(_text(answer))
            for number, (rank, answer) in enumerate(zip(asked, given, strict=True))
            if rank
        }
        ranked = self._rankings([requests[number] for number in begun], list(begun.values()))
        rankings = dict(zip(begun, ranked, strict=True))
        return [rankings.get(number, answer) for number, answer in enumerate(given)]

    def _rankings(self, requests: Sequence[Instance], begun: Sequence[str]) -> Sequence[str]:
        rankings: list[str] = []
        size = self.batch_size_per_gpu
        starts = range(0, len(requests), size)
        for start in tqdm(starts, desc="Model Ranking", disable=not requests or self.rank != 0):
            batch = [request.args for request in requests[start : start + size]]
            beginnings = begun[start : start + size]
            docs = [self.task_dict[task][split][doc_id] for _, _, _, doc_id, task, split in batch]
            messages = [args[1](doc) for args, doc in zip(batch, docs, strict=True)]
            candidates = [doc["candidate_labels"] for doc in docs]
            texts = [list(map(answer_block, labels)) for labels in candidates]
            figures = self.log_likelihoods(messages, beginnings, texts)
            rankings += [
                write_ranking(dict(zip(labels, own, strict=True)), beginning)
                for labels, own, beginning in zip(candidates, figures, beginnings, strict=True)
            ]
        return rankings


def _text(answer: str | GenerationResult) -> str:
    return answer.text if isinstance(answer, GenerationResult) else answer


@torch.inference_mode()
def continued_log_likelihoods(
    model: Any, inputs: Any, continuations: Sequence[Sequence[Tokens]]
) -> list[list[float]]:
    """Return the log-probability of each continuation of some prompts.

    The prompts, with their images, are computed once; the continuations share their keys and
    values and are computed as one batch.

    Args:
        model: A Qwen2.5-VL of transformers.
        inputs: What the processor made of the prompts, padded on the left; (Q, L) tokens.
        continuations: For each of the Q prompts, at least one list of tokens, none empty.
    """
    prompt = model(**inputs, use_cache=True, logits_to_keep=1)
    device = prompt.logits.device
    of_prompt = [number for number, own in enumerate(continuations) for _ in own]
    index = torch.tensor(of_prompt, device=device)
    rows = [torch.tensor(tokens, device=device) for own in continuations for tokens in own]
    tokens = pad_sequence(rows, batch_first=True)
    counts = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
    logits = prompt.logits[index]
    # The last token of each row predicts nothing that is asked for.
    given = tokens[:, :-1]
    if given.shape[1]:
        mask = torch.cat([inputs["attention_mask"][index], counts[:, :-1]], dim=1)
        # Positions of an image's tokens are fewer than its tokens: the model noted by how many.
        positions = mask.cumsum(-1)[:, -given.shape[1] :] - 1 + model.model.rope_deltas[index]
        cache = prompt.past_key_values
        cache.batch_select_indices(index)
        rest = model(
            input_ids=given,
            attention_mask=mask,
            position_ids=positions.expand(3, -1, -1),
            past_key_values=cache,
        )
        logits = torch.cat([logits, rest.logits], dim=1)
    chosen = logits.float().log_softmax(-1).gather(-1, tokens[..., None])[..., 0]
    sums = iter((chosen * counts).sum(-1).tolist())
    return [[next(sums) for _ in own] for own in continuations]
