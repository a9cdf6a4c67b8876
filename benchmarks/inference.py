"""Samples a second of a model on FERBench, beside what the paper's inference script does.

The peer is a loop of our own that does what the paper's script does (zfkarl/UniFER,
`eval_*/code/infer_unifer.py`): transformers, float32, one image at a time. Ours go through
lmms-eval with the benchmark's own requests: `--model unifer` at several batch sizes, and
`--model vllm` where vLLM is installed. All answer the same questions with equally many tokens in
one process after another on one machine, as long as the model does not end by itself: the tiny one
is untrained. Loading a model or starting an engine is not counted.

Run alone: `python -m benchmarks.inference`, or with a number of samples and of new tokens, and a
Qwen2.5-VL in the place of the tiny one: `... 256 128 --model Qwen/Qwen2.5-VL-7B-Instruct`.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.arguments import run_alone

_SAMPLES = 256
_TOKENS = 32
_BATCHES = (1, 32, 128)
_WARM = 8
"""Samples answered before the clock starts."""

Answer = Callable[[list[Any]], object]


def main(samples: int = _SAMPLES, tokens: int = _TOKENS, model: str | None = None) -> None:
    """Print a line for each way of inference."""
    from data_prep.cli.main import main as unifer_data
    from unifer_tasks.harness.models.tiny import write_tiny_model

    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        if model is None:
            model = f"{folder}/tiny"
            write_tiny_model(Path(model))
        unifer_data(["drawn", "--out", str(data), "--per-class", str(-(-samples // 30))])
        os.environ.update(
            FERBENCH_DATA=str(data),
            HF_DATASETS_CACHE=str(Path(folder) / "cache"),
            HF_HUB_OFFLINE="1",
            VLLM_CPU_KVCACHE_SPACE="1",
            VLLM_LOGGING_LEVEL="ERROR",
        )
        ways: dict[str, tuple[Callable[..., Answer], int]] = {"paper's loop": (_paper, 1)}
        ways |= {f"unifer, batches of {size}": (_unifer, size) for size in _BATCHES}
        if importlib.util.find_spec("vllm"):
            ways["vllm"] = (_vllm, samples)
        print(f"{samples} samples of {tokens} new tokens, {Path(model).name}", flush=True)
        peer = 0.0
        for title, (way, batch) in ways.items():
            # Each in a process of its own: threads and allocators of one do not disturb the next.
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                rate = pool.submit(_rate, way, model, batch, samples, tokens).result()
            peer = peer or rate
            print(f"{title:<24} {rate:>8.1f} samples/s   ratio {rate / peer:>6.1f}", flush=True)
        if "vllm" not in ways:
            print("vllm                     skipped: vLLM is not installed")


def _rate(way: Callable[..., Answer], model: str, batch: int, samples: int, tokens: int) -> float:
    requests, datasets = _requests(samples, tokens)
    answer = way(model, batch, datasets)
    answer(requests[:_WARM])
    start = time.perf_counter()
    answer(requests)
    return len(requests) / (time.perf_counter() - start)


def _requests(samples: int, tokens: int) -> tuple[list[Any], dict[str, Any]]:
    """Return lmms-eval's requests for the first samples, and the datasets they are about."""
    import lmms_eval.models  # noqa: F401  (loads the plug-ins)
    from lmms_eval.tasks import TaskManager, get_task_dict

    (tasks,) = get_task_dict(["ferbench"], TaskManager(), "chat").values()
    requests = []
    for task in tasks.values():
        task.build_all_requests(rank=0, world_size=1)
        requests += task.instances
    requests = requests[:samples]
    for request in requests:
        request.arguments[2]["max_new_tokens"] = tokens
    return requests, {name: task.dataset for name, task in tasks.items()}


def _paper(model: str, batch: int, datasets: dict[str, Any]) -> Answer:
    import torch
    from qwen_vl_utils import process_vision_info
    from transformers import AutoProcessor, Qwen2_5_VLForConditionalGeneration

    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = Qwen2_5_VLForConditionalGeneration.from_pretrained(model, dtype=torch.float32)
    network = network.to(device).eval()
    processor = AutoProcessor.from_pretrained(model)

    def answer(requests: Sequence[Any]) -> list[str]:
        return [one(request) for request in requests]

    def one(request: Any) -> str:
        text, _, options, row, task, split = request.arguments
        image = {"type": "image", "image": datasets[task][split][row]["image"]}
        content = [
            {**image, "resized_height": 224, "resized_width": 224},
            {"type": "text", "text": text},
        ]
        messages = [{"role": "user", "content": content}]
        prompt = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        images, videos = process_vision_info(messages)
        inputs = processor(
            text=[prompt], images=images, videos=videos, padding=True, return_tensors="pt"
        ).to(device)
        with torch.no_grad():
            ids = network.generate(
                **inputs, max_new_tokens=options["max_new_tokens"], do_sample=False
            )
        new = ids[:, inputs.input_ids.shape[1] :]
        return str(processor.batch_decode(new, skip_special_tokens=True)[0])

    return answer


def _unifer(model: str, batch: int, datasets: dict[str, Any]) -> Answer:
    from unifer_tasks.harness.models.unifer import UniFER

    lm = UniFER(model, batch_size=batch)
    lm.task_dict.update(datasets)
    answer: Answer = lm.generate_until
    return answer


def _vllm(model: str, batch: int, datasets: dict[str, Any]) -> Answer:
    from lmms_eval.models.chat.vllm import VLLM

    # It takes the larger of its own number of tokens, else 4,096, and the request's; and answers
    # of an earlier batch must not be at hand for the next.
    lm = VLLM(
        model, batch_size=batch, max_model_len=2048, max_new_tokens=1, dtype="auto",
        disable_log_stats=True, mm_processor_cache_gb=0, enable_prefix_caching=False,
    )  # fmt: skip
    lm.task_dict.update(datasets)
    answer: Answer = lm.generate_until
    return answer


if __name__ == "__main__":
    run_alone(main, samples=_SAMPLES, tokens=_TOKENS)
