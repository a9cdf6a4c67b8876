"""Parameters are those of the real models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("verl")

from recipes.training.configuration.adapter import Adapter
from recipes.training.configuration.settings import ConfigurationError
from recipes.training.plan.adapted import adapted, adapter_parameters
from recipes.training.plan.shapes import KNOWN, ModelShape, find_shape, read_shape
from tests.conftest import REPOSITORY

CHECKPOINT = REPOSITORY / "recipes" / "tiny_cpu" / "checkpoint"

# The total sizes in model.safetensors.index.json on the hub, which is bfloat16.
PUBLISHED = {"3B": 7509245952, "7B": 16584333312, "32B": 66905436672, "72B": 146821554688}


def named(size: str) -> ModelShape:
    return KNOWN[f"Qwen/Qwen2.5-VL-{size}-Instruct"]


@pytest.mark.parametrize(("size", "total"), PUBLISHED.items())
def test_known_models_have_the_published_parameters(size: str, total: int) -> None:
    assert 2 * named(size).parameters == total


def real(shape: ModelShape) -> Any:
    """Return the model of transformers on the meta device."""
    import torch
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    text, vision = shape.text, shape.vision
    config = Qwen2_5_VLConfig(
        text_config={
            "hidden_size": text.width, "intermediate_size": text.inner,
            "num_hidden_layers": text.layers, "num_attention_heads": text.heads,
            "num_key_value_heads": text.kv_heads, "vocab_size": text.vocabulary,
        },
        vision_config={
            "depth": vision.blocks, "hidden_size": vision.width,
            "intermediate_size": vision.inner, "num_heads": 16, "out_hidden_size": vision.out,
        },
        tie_word_embeddings=text.tied,
    )  # fmt: skip
    with torch.device("meta"):
        return Qwen2_5_VLForConditionalGeneration(config)


@pytest.mark.parametrize("size", ["3B", "7B"])
def test_parts_are_those_of_transformers(size: str) -> None:
    shape = named(size)
    model = real(shape)

    def count(part: Any) -> int:
        return sum(parameter.numel() for parameter in part.parameters())

    inner = model.model
    assert count(model) == shape.parameters
    assert count(inner.visual) == shape.vision.parameters
    assert count(inner.language_model.layers[0]) == shape.text.layer_parameters


ADAPTERS = {
    "the recipe's": Adapter(32, 32, "all-linear", ".*visual.*"),
    "everything": Adapter(8, 16, "all-linear"),
    "endings": Adapter(16, 16, ("q_proj", "v_proj")),
    "a pattern": Adapter(4, 4, r".*layers\.[01]\.mlp\..*_proj"),
    "endings but for": Adapter(4, 4, ("q_proj", "qkv"), ("qkv",)),
}


@pytest.mark.parametrize("adapter", ADAPTERS.values(), ids=ADAPTERS)
def test_adapters_are_those_of_peft(adapter: Adapter) -> None:
    from peft import get_peft_model

    shape = named("3B")
    model = get_peft_model(real(shape), adapter.peft())
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert adapter_parameters(shape, adapter) == trained > 0


def test_an_adapter_by_hand() -> None:
    # A layer of 3B: q and o 2048 to 2048, k and v 2048 to 256, the MLP three times 2048 and 11008.
    layer = 2 * (2048 + 2048) + 2 * (2048 + 256) + 3 * (2048 + 11008)
    adapter = ADAPTERS["the recipe's"]
    assert len([*adapted(named("3B"), adapter)]) == 36 * 7
    assert adapter_parameters(named("3B"), adapter) == 36 * 32 * layer == 59_867_136


def test_a_folder_describes_its_own_model() -> None:
    from safetensors import safe_open

    with safe_open(CHECKPOINT / "model.safetensors", "pt") as file:
        kept = sum(file.get_tensor(name).numel() for name in file.keys())  # noqa: SIM118
    assert find_shape(str(CHECKPOINT)).parameters == kept


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ('{"model_type": "qwen2"}', "is of type qwen2; memory is calculated for qwen2_5_vl only"),
        ("{", "cannot be read"),
        ('{"model_type": "unheard"}', "cannot be read"),
    ],
)
def test_other_models_are_refused(config: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(config, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=message):
        read_shape(tmp_path, "mine")


def test_an_unknown_model_needs_its_folder() -> None:
    with pytest.raises(ConfigurationError, match=r"has no config.json here.*Qwen2.5-VL-7B"):
        find_shape("/nowhere/model")


@pytest.mark.parametrize(
    ("side", "tokens"), [(224, 64), (112, 16), (448, 256), (28, 1), (10, 1), (230, 64)]
)
def test_an_image_is_a_token_for_28_by_28_pixels(side: int, tokens: int) -> None:
    assert named("7B").vision.image_tokens(side, side) == tokens
