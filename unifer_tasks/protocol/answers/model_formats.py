"""The marks that model families put around a thought or an answer.

The benchmark's strict reader takes these marks for what their makers declare them to be, so that
no family loses points, or its rationale, to the format that it was trained in. Nothing else is
taken off: an answer in a sentence, in markup or in a box without an answer block is read as it
stands. The reward takes none of it: it pays for the form that the question asks for.

Sources: `vllm/` is vLLM 0.24.0; `owner/model` is a repository on huggingface.co.
"""

from __future__ import annotations

from dataclasses import dataclass

from unifer_tasks.protocol.prompts import THINK_TAG


@dataclass(frozen=True, slots=True)
class Thinking:
    """The marks around a family's thinking. An answer block between them is not the answer.

    Attributes:
        opening: The spellings of the mark before it.
        closing: The spellings of the mark after it.
        models: Who writes so.
        source: Where that is documented.
        closes_alone: Whether a closing mark that is the response's first mark ends a thought
            that the chat template opened: the opening mark is then part of the prompt.
    """

    opening: tuple[str, ...]
    closing: tuple[str, ...]
    models: str
    source: str
    closes_alone: bool = True


ASKED_THINKING = Thinking(
    (f"<{THINK_TAG}>",),
    (f"</{THINK_TAG}>",),
    "any model, as the question asks",
    "unifer_tasks/protocol/prompts.py",
    closes_alone=False,
)

THINKING = (
    Thinking(
        ASKED_THINKING.opening,
        ASKED_THINKING.closing,
        "DeepSeek-R1, Qwen3(-VL)-Thinking, GLM-4.xV, MiMo-VL, InternVL3.5, Step3, ERNIE-4.5-VL, "
        "Hunyuan, Kimi-K2, MiniMax-M2, Nemotron",
        "Qwen/Qwen3-VL-8B-Thinking chat_template.jinja ends with <think>; the model card of "
        "Qwen/Qwen3-235B-A22B-Thinking-2507; vllm/reasoning/deepseek_r1_reasoning_parser.py",
    ),
    Thinking(
        ("◁think▷",),
        ("◁/think▷",),
        "Kimi-VL-Thinking",
        "moonshotai/Kimi-VL-A3B-Thinking-2506 model card",
    ),
    Thinking(
        ("<seed:think>",),
        ("</seed:think>",),
        "Seed-OSS",
        "vllm/reasoning/seedoss_reasoning_parser.py",
    ),
    Thinking(
        ("<mm:think>",),
        ("</mm:think>",),
        "MiniMax-M3",
        "vllm/reasoning/minimax_m3_reasoning_parser.py",
    ),
    Thinking(
        ("[THINK]",),
        ("[/THINK]",),
        "Magistral, Ministral-Reasoning",
        "mistral_common SpecialTokens.begin_think; vllm/reasoning/mistral_reasoning_parser.py",
    ),
    Thinking(
        ("<|START_THINKING|>",),
        ("<|END_THINKING|>",),
        "Command A Reasoning, Command A Vision",
        "vllm/reasoning/cohere_command_reasoning_parser.py",
    ),
    Thinking(
        ("<|channel>thought\n", "<|channel>"),
        ("<channel|>",),
        "Gemma 4",
        "vllm/reasoning/gemma4_utils.py",
    ),
    Thinking(
        ("<|channel|>analysis<|message|>",),
        ("<|end|>",),
        "gpt-oss (harmony)",
        "vllm/reasoning/gptoss_reasoning_parser.py",
        # Phi ends its turns with the same token.
        closes_alone=False,
    ),
    Thinking(
        ("Here is my thought process:", "Here's my thought process:"),
        ("Here is my response:", "Here's my response:"),
        "Granite 3.2",
        "vllm/reasoning/granite_reasoning_parser.py",
        closes_alone=False,
    ),
)
"""Every family's marks, the more specific spelling of an opening first."""


@dataclass(frozen=True, slots=True)
class Wrapper:
    """What may stand directly before and after an answer inside its block.

    Attributes:
        opening: The text before it; empty where only its end is marked.
        closing: The text after it.
        models: Who writes so.
        source: Where that is documented.
    """

    opening: str
    closing: str
    models: str
    source: str


_LATEX = "DeepSeek-R1, Qwen2.5-Math, QwQ, and models distilled from them"
_BOXED = r"deepseek-ai/DeepSeek-R1 model card: final answer within \boxed{}"
_WORDS = rf"{_BOXED}, in which LaTeX sets words in \text and its like"
_DELIMITERS = "LaTeX's math delimiters, in which a box has to stand"
_TOKENIZER = "tokenizer_config.json of {}"

WRAPPERS = (
    Wrapper(
        "<|begin_of_box|>",
        "<|end_of_box|>",
        "GLM-4.1V, GLM-4.5V, GLM-4.6V",
        "arXiv 2507.01006: the final answer stands between these tokens",
    ),
    Wrapper(r"\boxed{", "}", _LATEX, _BOXED),
    Wrapper(r"\text{", "}", _LATEX, _WORDS),
    Wrapper(r"\textbf{", "}", _LATEX, _WORDS),
    Wrapper(r"\mathrm{", "}", _LATEX, _WORDS),
    Wrapper(r"\mathbf{", "}", _LATEX, _WORDS),
    Wrapper("$", "$", _LATEX, _DELIMITERS),
    Wrapper(r"\(", r"\)", _LATEX, _DELIMITERS),
    Wrapper(r"\[", r"\]", _LATEX, _DELIMITERS),
    Wrapper(
        "<response>",
        "</response>",
        "ERNIE-4.5-VL-Thinking",
        "vllm/reasoning/ernie45_reasoning_parser.py",
    ),
    Wrapper(
        "",
        "<|im_end|>",
        "Qwen, InternVL, MiniCPM-V",
        _TOKENIZER.format("Qwen/Qwen2.5-VL-7B-Instruct"),
    ),
    Wrapper(
        "", "<|endoftext|>", "Qwen, GLM, Phi", _TOKENIZER.format("Qwen/Qwen2.5-VL-7B-Instruct")
    ),
    Wrapper(
        "", "<|eot_id|>", "Llama 3", _TOKENIZER.format("meta-llama/Llama-3.2-11B-Vision-Instruct")
    ),
    Wrapper(
        "",
        "<|end_of_text|>",
        "Llama 3",
        _TOKENIZER.format("meta-llama/Llama-3.2-11B-Vision-Instruct"),
    ),
    Wrapper(
        "", "<|eot|>", "Llama 4", _TOKENIZER.format("meta-llama/Llama-4-Scout-17B-16E-Instruct")
    ),
    Wrapper(
        "",
        "</s>",
        "Llama 2, LLaVA, Mistral",
        _TOKENIZER.format("mistralai/Mistral-Small-3.1-24B-Instruct-2503"),
    ),
    Wrapper("", "<end_of_turn>", "Gemma 3", _TOKENIZER.format("google/gemma-3-4b-it")),
    Wrapper("", "<eos>", "Gemma", _TOKENIZER.format("google/gemma-3-4b-it")),
    Wrapper(
        "",
        "<end_of_utterance>",
        "SmolVLM, Idefics",
        _TOKENIZER.format("HuggingFaceTB/SmolVLM2-2.2B-Instruct"),
    ),
    Wrapper("", "<turn|>", "Gemma 4", "vllm/reasoning/gemma4_utils.py"),
    Wrapper("", "<|user|>", "GLM", _TOKENIZER.format("zai-org/GLM-4.5V")),
    Wrapper("", "<|observation|>", "GLM", _TOKENIZER.format("zai-org/GLM-4.5V")),
    Wrapper(
        "", "<|end|>", "Phi, gpt-oss", _TOKENIZER.format("microsoft/Phi-4-multimodal-instruct")
    ),
    Wrapper("", "<|return|>", "gpt-oss", "vllm/reasoning/gptoss_reasoning_parser.py"),
    Wrapper("", "<｜end▁of▁sentence｜>", "DeepSeek", _TOKENIZER.format("deepseek-ai/DeepSeek-R1")),  # noqa: RUF001
    Wrapper("", "<|END_TEXT|>", "Command A", "vllm/reasoning/cohere_command_reasoning_parser.py"),
    Wrapper(
        "", "<|END_RESPONSE|>", "Command A", "vllm/reasoning/cohere_command_reasoning_parser.py"
    ),
    Wrapper(
        "",
        "<|END_OF_TURN_TOKEN|>",
        "Command A",
        _TOKENIZER.format("CohereLabs/command-a-reasoning-08-2025"),
    ),
)
"""Wrappers, which may be nested; an end token may also follow the answer block."""

FULL_WIDTH = "。，、；：！？．…（）［］｛｝【】「」『』《》〈〉＂＇＊＿～"  # noqa: RUF001
"""East Asian punctuation (Unicode Standard Annex #11), which ends or quotes a word as ASCII's
does; letters of full width stay what they are."""
