"""`lmms-eval --model unifer`: Qwen2.5-VL and what is trained from it, at the paper's pixels.

lmms-eval's own `qwen2_5_vl` generates the same way; this id differs in what it loads: pixel
bounds that leave a 224 x 224 image at 64 tokens, the precision of one's choice, and any
device, several CPU processes included.

lmms-eval constructs a model before it builds the tasks. This one loads its weights when they are
first needed, so that missing data is reported before minutes of loading.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from lmms_eval.api.instance import GenerationResult, Instance
from lmms_eval.api.model import lmms
from lmms_eval.models.chat.qwen2_5_vl import Qwen2_5_VL
from lmms_eval.protocol import ChatMessages
from qwen_vl_utils import process_vision_info
from transformers import AutoProcessor, Qwen2_5_VLForConditionalGeneration

from unifer_tasks.harness.models.our_model import precision
from unifer_tasks.harness.models.patch_embedding import multiply_patches
from unifer_tasks.harness.models.ranking import RankingModel, continued_log_likelihoods
from unifer_tasks.harness.models.weights import loading_problems, refuse, weight_problems
from unifer_tasks.harness.options import OptionError, positive
from unifer_tasks.harness.rationales import read_rationales
from unifer_tasks.protocol.images import MAX_PIXELS, MIN_PIXELS


class UniFER(RankingModel, Qwen2_5_VL):  # type: ignore[misc]
    """A Qwen2.5-VL chat model.

    Args:
        pretrained: A folder or hub id of a Qwen2.5-VL checkpoint.
        device: For example "cuda", "cuda:1" or "cpu"; by default the process's own GPU,
            or the CPU where there is none.
        device_map: Spreads one model over several GPUs ("auto"); by default it is on `device`.
        dtype: "bfloat16", "float16" or "float32"; "auto" is bfloat16 on a GPU and float32 on
            a CPU. The paper's inference ran in float32.
        batch_size: Questions answered at once.
        attn_implementation: "sdpa", "eager" or "flash_attention_2"; by default what
            transformers chooses.
        min_pixels: Lower bound of the image preprocessor, in pixels.
        max_pixels: Upper bound of the image preprocessor, in pixels.
        rationales: For `ferbench_rationale`: what this model answered to `ferbench` (see
            `unifer_tasks.harness.rationales`).

    Raises:
        OptionError: An argument has no such value.
        WeightsError: The checkpoint does not hold every weight of the model.
        PredictionError: The rationales cannot be read.
    """

    def __init__(
        self,
        pretrained: str,
        device: str | None = None,
        device_map: str | None = None,
        dtype: str = "auto",
        batch_size: int | str = 1,
        attn_implementation: str | None = None,
        min_pixels: int = MIN_PIXELS,
        max_pixels: int = MAX_PIXELS,
        rationales: str | None = None,
    ) -> None:
        # The parent's constructor fixes bfloat16 and, with several processes, CUDA.
        lmms.__init__(self)
        n_at_once = positive("batch_size", batch_size)
        # No `cpu=True`: lmms-eval's command line has made one, on a GPU where there is one.
        self.accelerator = Accelerator()
        self._rank = self.accelerator.process_index
        self._world_size = self.accelerator.num_processes
        self._device = _device(device, self.accelerator)
        self.device_map = device_map or str(self._device)
        self._pretrained = pretrained
        self._options = {
            "dtype": precision(dtype, self._device),
            "device_map": self.device_map,
            "attn_implementation": attn_implementation,
        }
        if (folder := Path(pretrained).expanduser()).is_dir():
            refuse(weight_problems(folder))
        self.min_pixels, self.max_pixels = min_pixels, max_pixels
        self.batch_size_per_gpu = n_at_once
        self.use_cache = True
        # What the parent asks of videos, of which FERBench has none.
        self.fps, self.max_num_frames = None, 0
        if rationales is not None:
            self.rationales = read_rationales(rationales)

    @cached_property
    def _model(self) -> Qwen2_5_VLForConditionalGeneration:
        return _load(self._pretrained, **self._options)

    @cached_property
    def processor(self) -> Any:
        """What turns messages into the model's input."""
        return AutoProcessor.from_pretrained(
            self._pretrained, min_pixels=self.min_pixels, max_pixels=self.max_pixels
        )

    @property
    def _tokenizer(self) -> Any:
        return self.processor.tokenizer

    @property
    def _config(self) -> Any:
        return self._model.config

    def generate_until(self, requests: list[Instance]) -> list[str | GenerationResult]:
        """Return the answer to each question."""
        _ = self._model  # Loaded before the parent's clock starts.
        return super().generate_until(requests)

    def log_likelihoods(
        self,
        messages: Sequence[list[dict[str, Any]]],
        begun: Sequence[Sequence[str]],
        texts: Sequence[Sequence[str]],
    ) -> Sequence[Sequence[Sequence[float]]]:
        """Return the log-probability of each text as the next words of each begun reply."""
        beginnings, continuations = (
            [[self.tokenizer.encode(t, add_special_tokens=False) for t in own] for own in listed]
            for listed in (begun, texts)
        )
        inputs = self._inputs(messages)
        return continued_log_likelihoods(self.model, inputs, beginnings, continuations)

    def _inputs(self, messages: Sequence[list[dict[str, Any]]]) -> Any:
        """Return what the processor makes of conversations, as the parent does to generate."""
        chats = [ChatMessages(messages=own).to_hf_messages() for own in messages]
        images, _ = process_vision_info(chats)
        texts = self.processor.apply_chat_template(
            chats, tokenize=False, add_generation_prompt=True
        )
        inputs = self.processor(
            text=texts, images=images, padding=True, padding_side="left", return_tensors="pt"
        )
        return inputs.to(self.model.device)


def _load(pretrained: str, **options: Any) -> Qwen2_5_VLForConditionalGeneration:
    """Load a model all of whose weights are the checkpoint's.

    Raises:
        WeightsError: transformers would draw some of them at random.
    """
    model, info = Qwen2_5_VLForConditionalGeneration.from_pretrained(
        pretrained, output_loading_info=True, **options
    )
    # Of a hub id, or a model of another type, only loading tells.
    refuse(loading_problems(pretrained, info))
    multiply_patches(model)
    return model.eval()


def _device(name: str | None, accelerator: Accelerator) -> torch.device:
    """Return the device that is asked for, or the process's own.

    Raises:
        OptionError: There is no such device, or several processes would not each have their own,
            on which lmms-eval exchanges results.
    """
    own: torch.device = accelerator.device
    if name is None:
        return own
    try:
        device = torch.device(name)
    except RuntimeError:
        raise OptionError(f"device={name} is not a device; give cpu, cuda or cuda:N") from None
    if device.type == "cuda":
        count = torch.cuda.device_count()
        if (device.index or 0) >= count:
            raise OptionError(f"device={name} is not there: torch sees {count} CUDA devices")
    is_own = device.type == own.type and device.index in (None, own.index)
    if accelerator.num_processes > 1 and not is_own:
        raise OptionError(
            f"device={name} cannot serve {accelerator.num_processes} processes, each of which has "
            "its own: leave device out; ACCELERATE_USE_CPU=1 before torchrun has them on the CPU"
        )
    return device
