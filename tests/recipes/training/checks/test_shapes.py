"""Parameters are those of the real models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("verl")

from recipes.training.checks.shapes import KNOWN, ModelShape, find_shape, read_shape
from recipes.training.configuration.settings import ConfigurationError
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
            "intermediate_size": vision.inner, "num_heads": vision.heads,
            "out_hidden_size": vision.out,
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


def test_a_folder_describes_its_own_model() -> None:
    from safetensors import safe_open

    with safe_open(CHECKPOINT / "model.safetensors", "pt") as file:
        kept = sum(file.get_tensor(name).numel() for name in file.keys())  # noqa: SIM118
    assert find_shape(str(CHECKPOINT)).parameters == kept


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            '{"model_type": "qwen2"}',
            "is of type qwen2, and a plan is calculated for qwen2_5_vl alone",
        ),
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
    ("height", "width", "tokens"),
    [
        (224, 224, 64),
        (112, 112, 16),
        (448, 448, 256),
        (230, 230, 64),
        (224, 448, 128),
        # Four tokens at the fewest, and 16,384 at the most.
        (28, 28, 4),
        (10, 10, 4),
        (10, 100, 7),
        (10_000, 10_000, 127 * 127),
        (3000, 12_000, 16_384),
    ],
)
def test_an_image_has_the_tokens_of_the_processor(height: int, width: int, tokens: int) -> None:
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

    assert named("7B").vision.image_tokens(height, width) == tokens
    resized = smart_resize(height, width, 28, 4 * 28 * 28, 16_384 * 28 * 28)
    assert resized[0] // 28 * (resized[1] // 28) == tokens


@pytest.mark.parametrize(
    ("size", "gpus"),
    [("3B", [1, 2, 4]), ("7B", [1, 2, 4]), ("32B", [1, 2, 4, 8]), ("72B", [1, 2, 4, 8, 16])],
)
def test_the_gpus_that_an_engine_can_span(size: str, gpus: list[int]) -> None:
    assert [n for n in range(1, 17) if named(size).can_share(n)] == gpus
