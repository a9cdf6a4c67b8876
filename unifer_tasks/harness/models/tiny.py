"""A Qwen2.5-VL small enough for any CPU, made here from nothing.

The architecture, processor and chat format are Qwen2.5-VL's own, so transformers, vLLM,
lmms-eval and verl treat it as they treat the 7B model. Three things make it small enough to be
trained on two cores in minutes:

* patches of 28 pixels: a 224 x 224 image is 16 tokens and not 64;
* a vocabulary of the benchmark's own wording, in which the fixed sentences of the question are
  one token each (any other text encodes too, by bytes);
* patch filters that begin as the lowest cosine frequencies and not as noise, of which only
  the mean brightness of a patch would come through.

An untrained one sees nothing and knows nothing all the same.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    GenerationConfig,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2Tokenizer,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
)

from unifer_tasks.protocol.action_units import AU_SIGNS
from unifer_tasks.protocol.images import MAX_PIXELS, MIN_PIXELS
from unifer_tasks.protocol.labels import WITH_FILES
from unifer_tasks.protocol.prompts import ANSWER_TAG, THINK_TAG, question, response

_PATCH = 28
_PIXELS = {
    "min_pixels": MIN_PIXELS,
    "max_pixels": MAX_PIXELS,
    "patch_size": _PATCH,
    "temporal_patch_size": 1,
}
_SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
_VOCABULARY = 768

# Brings what the filters see of a normalised image to about unit variance.
_GAIN = 3.0

# The conversation format of Qwen2.5-VL: ChatML, and one placeholder for each image or video,
# which the processor expands.
_CHAT_TEMPLATE = """\
{%- macro content_of(message) -%}
    {%- if message.content is string -%}
        {{- message.content -}}
    {%- else -%}
        {%- for part in message.content -%}
            {%- if part.type in ('image', 'image_url') or 'image' in part -%}
                <|vision_start|><|image_pad|><|vision_end|>
            {%- elif part.type == 'video' or 'video' in part -%}
                <|vision_start|><|video_pad|><|vision_end|>
            {%- elif 'text' in part -%}
                {{- part.text -}}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro -%}
{%- if messages[0].role != 'system' -%}
    {{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' -}}
{%- endif -%}
{%- for message in messages -%}
    {{- '<|im_start|>' ~ message.role ~ '\\n' ~ content_of(message) ~ '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|im_start|>assistant\\n' -}}
{%- endif -%}
"""


def write_tiny_model(out: Path, *, seed: int = 0) -> int:
    """Write an untrained checkpoint with its processor.

    Args:
        out: Folder to write; made if it is not there.
        seed: Seed of the weights; equal seeds give equal files.

    Returns:
        The number of parameters.
    """
    tokenizer = _tokenizer()
    processor = Qwen2_5_VLProcessor(
        image_processor=Qwen2VLImageProcessor(**_PIXELS),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(**_PIXELS),
        chat_template=_CHAT_TEMPLATE,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen2_5_VLForConditionalGeneration(_config(tokenizer))
    _begin_with_cosines(model.model.visual.patch_embed.proj.weight)
    end = [tokenizer.convert_tokens_to_ids(token) for token in ("<|im_end|>", "<|endoftext|>")]
    model.generation_config = GenerationConfig(
        eos_token_id=end, pad_token_id=tokenizer.pad_token_id, do_sample=False
    )
    model.save_pretrained(out)
    processor.save_pretrained(out)
    return int(model.num_parameters())


def _config(tokenizer: Qwen2Tokenizer) -> Qwen2_5_VLConfig:
    hidden, heads = 128, 4
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in _SPECIAL}
    # The usual 0.02 is meant for a width of thousands; at this width it learns nothing.
    spread = {"initializer_range": hidden**-0.5}
    return Qwen2_5_VLConfig(
        text_config={
            # vLLM masks what lies beyond the tokenizer, so there must be nothing beyond it.
            "vocab_size": len(tokenizer),
            "hidden_size": hidden,
            "intermediate_size": 2 * hidden,
            "num_hidden_layers": 2,
            "num_attention_heads": heads,
            "num_key_value_heads": 2,
            "max_position_embeddings": 4096,
            "bos_token_id": ids["<|endoftext|>"],
            "eos_token_id": ids["<|im_end|>"],
            "pad_token_id": ids["<|endoftext|>"],
            # Shares of temporal, height and width positions in half a head.
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [4, 6, 6],
            },
            "tie_word_embeddings": True,
            **spread,
        },
        vision_config={
            "depth": 4,
            "hidden_size": hidden,
            "intermediate_size": 2 * hidden,
            "num_heads": heads,
            "out_hidden_size": hidden,
            "patch_size": _PATCH,
            "temporal_patch_size": 1,
            "fullatt_block_indexes": [0, 1, 2, 3],
            **spread,
        },
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
    )


def _tokenizer() -> Qwen2Tokenizer:
    """Return a byte-level BPE tokenizer with the sentences and tags of the benchmark as tokens."""
    questions = [question(space.labels) for space in WITH_FILES.values()]
    signs = ", ".join(AU_SIGNS.values())
    answers = [response(signs, label) for space in WITH_FILES.values() for label in space.labels]
    learned = Tokenizer(models.BPE())
    learned.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY - len(_SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    learned.train_from_iterator([*questions, *answers], trainer)
    merges = json.loads(learned.to_str())["model"]["merges"]
    tokenizer = Qwen2Tokenizer(
        vocab=learned.get_vocab(), merges=[(left, right) for left, right in merges]
    )
    tokenizer.add_special_tokens({"additional_special_tokens": list(_SPECIAL)})
    # As Qwen2.5-VL-Instruct's: lmms-eval stops at this token and at no other.
    tokenizer.eos_token = "<|im_end|>"
    tags = [f"<{mark}{tag}>" for tag in (THINK_TAG, ANSWER_TAG) for mark in ("", "/")]
    tokenizer.add_tokens([*question(["|"]).split("|"), *tags])
    return tokenizer


@torch.no_grad()
def _begin_with_cosines(weight: torch.Tensor) -> None:
    """Set patch filters, (filters, 3, frames, side, side), to the lowest cosine frequencies.

    Three quarters of the filters see brightness, an eighth each red against blue and green
    against both. Images fade towards high frequencies, about as fast as the gain rises.
    """
    filters, _, frames, side, _ = weight.shape
    eighth = filters // 8
    bands = (
        ((1.0, 1.0, 1.0), filters - 2 * eighth, _GAIN),
        ((1.0, 0.0, -1.0), eighth, 3 * _GAIN),
        ((1.0, -2.0, 1.0), eighth, 3 * _GAIN),
    )
    positions = torch.arange(side) + 0.5
    waves = torch.cos(math.pi / side * torch.arange(side)[:, None] * positions)
    waves /= waves.norm(dim=1, keepdim=True)
    pairs = [(row, column) for row in range(side) for column in range(side)]
    lowest = sorted(pairs, key=lambda pair: (math.hypot(*pair), pair))
    number = 0
    for color, count, gain in bands:
        channels = torch.tensor(color) / math.hypot(*color)
        for row, column in lowest[:count]:
            wave = torch.outer(waves[row], waves[column]) * (1 + math.hypot(row, column))
            weight[number] = gain / (side * frames) * channels[:, None, None, None] * wave
            number += 1
