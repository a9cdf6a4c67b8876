from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import AutoProcessor, Qwen2_5_VLForConditionalGeneration

from tests.conftest import VLLM_IN_PROCESS, run_command
from unifer_tasks.data.manifest import sha256
from unifer_tasks.harness.models.tiny import write_tiny_model
from unifer_tasks.protocol.images import MAX_PIXELS, MIN_PIXELS, protocol_image
from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.protocol.prompts import question

QUESTION = question(LABEL_SPACES["rafdb"].labels)
CHAT = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": QUESTION}]}]


def test_it_is_small_and_loads_as_a_qwen2_5_vl(tiny_model: Path) -> None:
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(tiny_model)
    processor = AutoProcessor.from_pretrained(tiny_model)
    assert model.num_parameters() < 2_000_000
    assert model.config.text_config.vocab_size == len(processor.tokenizer)


def test_equal_seeds_give_equal_files(tiny_model: Path, tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "same", seed=0)
    write_tiny_model(tmp_path / "other", seed=1)
    weights = [p / "model.safetensors" for p in (tiny_model, tmp_path / "same", tmp_path / "other")]
    first, same, other = map(sha256, weights)
    assert first == same != other
    assert sha256(tiny_model / "tokenizer.json") == sha256(tmp_path / "same" / "tokenizer.json")


@pytest.mark.parametrize("text", [QUESTION, "<think>ok</think>", "naïve 東京 \U0001f642\n\t"])
def test_any_text_survives_the_tokenizer(tiny_model: Path, text: str) -> None:
    tokenizer = AutoProcessor.from_pretrained(tiny_model).tokenizer
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_the_chat_format_is_qwens(tiny_model: Path) -> None:
    processor = AutoProcessor.from_pretrained(tiny_model)
    tokenizer = processor.tokenizer
    assert (tokenizer.eos_token, tokenizer.pad_token) == ("<|im_end|>", "<|endoftext|>")
    text = processor.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True)
    assert text == (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        f"<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>{QUESTION}<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    own_system = [{"role": "system", "content": "Be brief."}, *CHAT]
    text = processor.apply_chat_template(own_system, tokenize=False)
    assert text.startswith("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n")


@pytest.mark.parametrize(("min_pixels", "tokens"), [(MIN_PIXELS, 16), (448 * 448, 64)])
def test_the_protocols_image_is_16_tokens_unless_it_is_enlarged(
    tiny_model: Path, min_pixels: int, tokens: int
) -> None:
    processor = AutoProcessor.from_pretrained(
        tiny_model, min_pixels=min_pixels, max_pixels=MAX_PIXELS
    )
    image = protocol_image(Image.new("RGB", (100, 100)))
    inputs = processor(text=["<|image_pad|>"], images=[image], return_tensors="pt")
    assert int((inputs.input_ids == processor.image_token_id).sum()) == tokens


def test_vllm_generates_what_transformers_generates(tiny_model: Path, tmp_path: Path) -> None:
    pytest.importorskip("vllm")
    script = tmp_path / "generate.py"
    script.write_text(VLLM_SCRIPT)
    image = tmp_path / "face.png"
    protocol_image(Image.effect_noise((224, 224), 80)).save(image)
    done = run_command([sys.executable, script, tiny_model, image], env=VLLM_IN_PROCESS)

    processor = AutoProcessor.from_pretrained(tiny_model)
    text = processor.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True)
    inputs = processor(text=[text], images=[Image.open(image)], return_tensors="pt")
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(tiny_model, dtype=torch.float32)
    output = model.generate(**inputs, max_new_tokens=8, do_sample=False)
    expected = output[0, inputs.input_ids.shape[1] :].tolist()
    assert f"ids {inputs.input_ids.shape[1]} {expected}" in done.stdout.splitlines()


VLLM_SCRIPT = f"""
import sys
from PIL import Image
from transformers import AutoProcessor
from vllm import LLM, SamplingParams

def main(model, image):
    chat = {CHAT!r}
    text = AutoProcessor.from_pretrained(model).apply_chat_template(
        chat, tokenize=False, add_generation_prompt=True
    )
    llm = LLM(
        model, dtype="float32", enforce_eager=True, max_model_len=512, max_num_seqs=1,
        limit_mm_per_prompt={{"image": 1, "video": 0}}, skip_mm_profiling=True,
        distributed_executor_backend="uni",
    )
    prompt = {{"prompt": text, "multi_modal_data": {{"image": Image.open(image).convert("RGB")}}}}
    (result,) = llm.generate([prompt], SamplingParams(temperature=0, max_tokens=8))
    print("ids", len(result.prompt_token_ids), list(result.outputs[0].token_ids))

if __name__ == "__main__":
    main(*sys.argv[1:])
"""
