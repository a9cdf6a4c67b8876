"""`lmms-eval --model unifer_vllm`: what `unifer` runs, in vLLM, so that it answers the same.

lmms-eval's own `vllm` shows the same question in the same chat template. Left to its defaults it
differs from transformers in what is set here:

* the image preprocessor has the protocol's pixel bounds, not the checkpoint's;
* the precision is that of `unifer`, where vLLM would make bfloat16 of float32;
* the penalties of the checkpoint's `generation_config.json`, which transformers applies when it
  decodes greedily and vLLM only where a request brings no sampling parameters;
* `max_new_tokens` is the request's, where lmms-eval takes the larger of that and its own;
* no code of a checkpoint's authors is run.

One difference remains: vLLM ends an answer at every end token that `generation_config.json`
names, as the paper's loop does, lmms-eval in transformers at the tokenizer's alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from lmms_eval.api.instance import Instance
from lmms_eval.models.chat.vllm import VLLM
from lmms_eval.protocol import ChatMessages
from qwen_vl_utils import fetch_image
from transformers import AutoConfig, AutoTokenizer, GenerationConfig

from unifer_tasks.harness.models.our_model import precision
from unifer_tasks.harness.models.ranking import RankingModel
from unifer_tasks.harness.models.weights import refuse, weight_problems
from unifer_tasks.harness.options import OptionError, positive
from unifer_tasks.harness.rationales import read_rationales
from unifer_tasks.protocol.images import MAX_PIXELS, MIN_PIXELS

_MOST_TOKENS = 8192
"""Of a question and its answer: the protocol's are 135 and 1,024 long."""

_PENALTY = "repetition_penalty"

_TRANSFORMERS_ONLY = (
    "bad_words_ids",
    "begin_suppress_tokens",
    "encoder_repetition_penalty",
    "exponential_decay_length_penalty",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "min_length",
    "min_new_tokens",
    "no_repeat_ngram_size",
    "sequence_bias",
    "suppress_tokens",
)
"""Settings that change greedy decoding in transformers and that lmms-eval cannot hand to vLLM."""


class UniFERVLLM(RankingModel, VLLM):  # type: ignore[misc]
    """A Qwen2.5-VL chat model in vLLM.

    Args:
        pretrained: A folder or hub id of a Qwen2.5-VL checkpoint.
        dtype: "bfloat16", "float16" or "float32"; "auto" is bfloat16 on a GPU and float32 on
            a CPU.
        batch_size: Questions handed to vLLM at once, which forms its own batches of them.
        max_model_len: Tokens of a question and its answer at most; by default 8,192, or as
            many as the model reaches.
        min_pixels: Lower bound of the image preprocessor, in pixels.
        max_pixels: Upper bound of the image preprocessor, in pixels.
        rationales: As of `unifer`.
        **engine: Other arguments of lmms-eval's `vllm` and of vLLM's engine, such as
            `tensor_parallel_size`, `gpu_memory_utilization` or `enforce_eager`.

    Raises:
        OptionError: An argument has no such value, or the checkpoint asks for what vLLM lacks.
        WeightsError: The checkpoint does not hold every weight of the model.
        PredictionError: The rationales cannot be read.
    """

    def __init__(
        self,
        pretrained: str,
        dtype: str = "auto",
        batch_size: int | str = 1024,
        max_model_len: int | None = None,
        min_pixels: int = MIN_PIXELS,
        max_pixels: int = MAX_PIXELS,
        rationales: str | None = None,
        **engine: Any,
    ) -> None:
        n_at_once = positive("batch_size", batch_size)
        if (folder := Path(pretrained).expanduser()).is_dir():
            refuse(weight_problems(folder))
            pretrained = str(folder)
        if rationales is not None:
            self.rationales = read_rationales(rationales)
        self._penalties = penalties(pretrained)
        pixels = {"min_pixels": int(min_pixels), "max_pixels": int(max_pixels)}
        defaults = {
            "trust_remote_code": False,
            "limit_mm_per_prompt": {"image": 1, "video": 0},
            "mm_processor_kwargs": pixels,
        }
        super().__init__(
            model=pretrained,
            batch_size=n_at_once,
            dtype=precision(dtype, Accelerator().device),
            max_model_len=max_model_len or _reach(pretrained),
            **{**defaults, **engine},
        )

    def make_one_request(self, request: Instance) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Return vLLM's messages and sampling parameters for a question."""
        context, doc_to_messages, *rest = request.arguments

        def as_in_transformers(doc: Any) -> list[dict[str, Any]]:
            return [_resized(message) for message in doc_to_messages(doc)]

        resized = replace(request, arguments=(context, as_in_transformers, *rest))
        messages, parameters = super().make_one_request(resized)
        return messages, {**self._penalties, **parameters}

    def log_likelihoods(
        self,
        messages: Sequence[list[dict[str, Any]]],
        begun: Sequence[Sequence[str]],
        texts: Sequence[Sequence[str]],
    ) -> Sequence[Sequence[Sequence[float]]]:
        """Return the log-probability of each text as the next words of each begun reply.

        vLLM scores the tokens of a prompt, so each text is handed over as the begun reply. It
        shares no keys and values between prompts whose tokens it scores.
        """
        from vllm import SamplingParams

        chats = [
            [*chat, {"role": "assistant", "content": beginning + text}]
            for own, beginnings, listed in zip(messages, begun, texts, strict=True)
            for chat in [ChatMessages(messages=list(map(_resized, own))).to_openai_messages()]
            for beginning in beginnings
            for text in listed
        ]
        outputs = self.client.chat(
            chats,
            SamplingParams(max_tokens=1, temperature=0, prompt_logprobs=0),
            use_tqdm=False,
            chat_template=self.chat_template,
            add_generation_prompt=False,
            continue_final_message=True,
        )
        replies = [
            self._tokenizer.encode(text, add_special_tokens=False)
            for beginnings, listed in zip(begun, texts, strict=True)
            for _ in beginnings
            for text in listed
        ]
        sums = iter(map(_sum_of_last, outputs, replies))
        return [
            [[next(sums) for _ in listed] for _ in beginnings]
            for beginnings, listed in zip(begun, texts, strict=True)
        ]

    @cached_property
    def _tokenizer(self) -> Any:
        return AutoTokenizer.from_pretrained(self.model)

    def _select_max_new_tokens(self, request_max_new_tokens: Any) -> int:
        return int(request_max_new_tokens or self.max_new_tokens)


def penalties(pretrained: str) -> Mapping[str, float]:
    """Return the sampling parameters that a checkpoint asks for and greedy decoding heeds.

    Args:
        pretrained: A folder or hub id.

    Raises:
        OptionError: It asks for what vLLM lacks.
    """
    try:
        config = GenerationConfig.from_pretrained(pretrained)
    except OSError:
        # It has none.
        return {}
    set_here = config.to_diff_dict()
    if lacking := [name for name in _TRANSFORMERS_ONLY if set_here.get(name)]:
        raise OptionError(
            f"the generation_config.json of {pretrained} sets {lacking[0]}, which transformers "
            "heeds and vLLM does not: use --model unifer"
        )
    penalty = set_here.get(_PENALTY)
    return {} if penalty is None else {_PENALTY: float(penalty)}


def _reach(pretrained: str) -> int:
    """Return how many tokens a model is given, `_MOST_TOKENS` if it reaches as far."""
    text = AutoConfig.from_pretrained(pretrained).get_text_config()
    return min(_MOST_TOKENS, int(text.max_position_embeddings))


def _resized(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message whose images are what lmms-eval shows Qwen2.5-VL in transformers.

    qwen-vl-utils rounds the sides to whole tokens before the preprocessor does; the protocol's
    224 x 224 pixels stay as they are.
    """
    content = [
        {**part, "url": fetch_image({"image": part["url"]})} if part["type"] == "image" else part
        for part in message["content"]
    ]
    return {**message, "content": content}


def _sum_of_last(output: Any, reply: Sequence[int]) -> float:
    """Return the logarithm of the probability of a prompt's last tokens.

    Raises:
        ValueError: They are not the reply's: the tokenizer joined it with what stands before.
    """
    if list(output.prompt_token_ids[-len(reply) :]) != list(reply):
        raise ValueError(f"the reply's tokens {reply} are not the last of vLLM's prompt")
    scored = output.prompt_logprobs[-len(reply) :]
    return float(sum(own[token].logprob for own, token in zip(scored, reply, strict=True)))
