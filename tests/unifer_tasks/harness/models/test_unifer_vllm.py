"""What `unifer_vllm` asks of vLLM; what it answers is in `tests/recipes`, `test_evaluate.py`."""

from __future__ import annotations

import base64
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

pytest.importorskip("lmms_eval")
pytest.importorskip("vllm")

from lmms_eval.api.instance import Instance

from unifer_tasks.harness.models.unifer_vllm import UniFERVLLM, penalties
from unifer_tasks.harness.models.weights import WeightsError
from unifer_tasks.harness.options import OptionError
from unifer_tasks.protocol.images import MAX_PIXELS, MIN_PIXELS

ENGINE = "lmms_eval.models.simple.vllm.LLM"
GREEDY = {"max_new_tokens": 1024, "do_sample": False, "temperature": 0, "until": []}


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the arguments that vLLM's engine will be given."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    given: dict[str, Any] = {}
    monkeypatch.setattr(ENGINE, given.update)
    return given


def with_generation(model: Path, out: Path, settings: dict[str, Any] | None) -> Path:
    """Copy a checkpoint with another `generation_config.json`, or with none."""
    shutil.copytree(model, out)
    path = out / "generation_config.json"
    if settings is None:
        path.unlink()
    else:
        path.write_text(json.dumps(json.loads(path.read_text()) | settings))
    return out


def test_what_the_engine_is_given(tiny_model: Path, engine: dict[str, Any]) -> None:
    UniFERVLLM(str(tiny_model))
    expected = {
        "model": str(tiny_model),
        "dtype": torch.float32 if not torch.cuda.is_available() else torch.bfloat16,
        # As far as the tiny model reaches.
        "max_model_len": 4096,
        "mm_processor_kwargs": {"min_pixels": MIN_PIXELS, "max_pixels": MAX_PIXELS},
        "limit_mm_per_prompt": {"image": 1, "video": 0},
        "trust_remote_code": False,
        "tensor_parallel_size": 1,
        "gpu_memory_utilization": 0.8,
    }
    assert {name: engine[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        ("dtype=bfloat16", "dtype", torch.bfloat16),
        ("max_model_len=512", "max_model_len", 512),
        ("tensor_parallel_size=2", "tensor_parallel_size", 2),
        ("gpu_memory_utilization=0.5", "gpu_memory_utilization", 0.5),
        ("enforce_eager=true", "enforce_eager", True),
        ('limit_mm_per_prompt={"image":2}', "limit_mm_per_prompt", {"image": 2}),
        ("min_pixels=200704", "mm_processor_kwargs", {"min_pixels": 200704, "max_pixels": 501760}),
    ],
)
def test_what_can_be_changed(
    tiny_model: Path, engine: dict[str, Any], arguments: str, name: str, value: object
) -> None:
    UniFERVLLM.create_from_arg_string(f"pretrained={tiny_model},{arguments}", {"batch_size": "8"})
    assert engine[name] == value


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("dtype=fp8", "dtype must be auto or one of bfloat16, float16, float32, got 'fp8'"),
        (
            "max_model_length=512",
            "takes no argument 'max_model_length'; did you mean max_model_len",
        ),
    ],
)
def test_what_cannot_be_used_is_refused(
    tiny_model: Path, engine: dict[str, Any], arguments: str, message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        UniFERVLLM.create_from_arg_string(f"pretrained={tiny_model},{arguments}")
    assert engine == {}


def test_an_adapter_is_refused(tmp_path: Path, engine: dict[str, Any]) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(WeightsError, match=r"is a LoRA adapter .* merge it first: unifer-train"):
        UniFERVLLM(str(tmp_path))
    assert engine == {}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (None, {}),
        ({}, {}),
        # Qwen2.5-VL's own: what only sampling heeds is left out.
        ({"repetition_penalty": 1.05, "temperature": 1e-6}, {"repetition_penalty": 1.05}),
    ],
)
def test_penalties_are_the_checkpoints(
    settings: dict[str, Any] | None, expected: dict[str, float], tiny_model: Path, tmp_path: Path
) -> None:
    assert penalties(str(with_generation(tiny_model, tmp_path / "m", settings))) == expected


def test_what_vllm_lacks_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    model = with_generation(tiny_model, tmp_path / "m", {"no_repeat_ngram_size": 3})
    with pytest.raises(OptionError, match=r"sets no_repeat_ngram_size, .* use --model unifer"):
        penalties(str(model))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, {"max_tokens": 1024, "temperature": 0}),
        # lmms-eval alone takes the larger of this and its own.
        ({"max_new_tokens": 2}, {"max_tokens": 2, "temperature": 0}),
        ({"temperature": 0.7, "top_p": 0.9}, {"temperature": 0.7, "top_p": 0.9}),
        ({"repetition_penalty": 1.2}, {"repetition_penalty": 1.2}),
    ],
)
def test_what_a_request_asks_for(
    asked: dict[str, Any], expected: dict[str, Any], tiny_model: Path, tmp_path: Path,
    engine: dict[str, Any],
) -> None:  # fmt: skip
    checkpoint = with_generation(tiny_model, tmp_path / "m", {"repetition_penalty": 1.05})
    model = UniFERVLLM(str(checkpoint))
    model.task_dict = {"t": {"test": [Image.new("RGB", (100, 60))]}}

    def doc_to_messages(image: Image.Image) -> list[dict[str, Any]]:
        shown = {"type": "image", "url": image}
        return [{"role": "user", "content": [shown, {"type": "text", "text": "Who?"}]}]

    request = Instance(
        "generate_until",
        ("", doc_to_messages, {**GREEDY, **asked}, 0, "t", "test"),
        0,
        {"task": "t", "doc_id": 0, "repeats": 1},
    )
    ((message,), parameters) = model.make_one_request(request)
    expected = {"repetition_penalty": 1.05, **expected}
    assert {name: parameters[name] for name in expected} == expected
    image, text = message["content"]
    assert text == {"type": "text", "text": "Who?"}
    # To whole tokens, as qwen-vl-utils does it in transformers.
    assert decoded(image["image_url"]["url"]).size == (112, 56)


def decoded(url: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(url.partition("base64,")[2])))
