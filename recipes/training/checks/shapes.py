"""The shape of a Qwen2.5-VL model, and the parameters that follow from it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipes.training.checks.model import find_model
from recipes.training.configuration.settings import ConfigurationError

MODEL_TYPE = "qwen2_5_vl"

_FEWEST_TOKENS, _MOST_TOKENS = 4, 16384
"""Tokens of an image: `min_pixels` and `max_pixels` of Qwen2.5-VL's preprocessor_config.json, and
the defaults of qwen-vl-utils."""


Tensor = tuple[int, int]
"""Rows of a parameter, which FSDP shards, and the numbers of a row."""


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear layer.

    Attributes:
        name: Its full name in the model of transformers.
        inputs: Width of its input.
        outputs: Width of its output.
        has_bias: Whether it adds a bias.
    """

    name: str
    inputs: int
    outputs: int
    has_bias: bool = False

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self.inputs * self.outputs + self.has_bias * self.outputs

    def tensors(self) -> Iterator[Tensor]:
        """Yield the weight and the bias."""
        yield self.outputs, self.inputs
        if self.has_bias:
            yield self.outputs, 1


@dataclass(frozen=True, slots=True)
class TextShape:
    """The language model.

    Attributes:
        layers: Decoder layers.
        width: `hidden_size`.
        inner: `intermediate_size`.
        heads: Heads of the queries.
        kv_heads: Heads of keys and values.
        vocabulary: `vocab_size`.
        tied: Whether embedding and head are one matrix.
    """

    layers: int
    width: int
    inner: int
    heads: int
    kv_heads: int
    vocabulary: int
    tied: bool

    @property
    def kv_width(self) -> int:
        """Width of the keys, and of the values, of a layer."""
        return self.width // self.heads * self.kv_heads

    def layer_linears(self, layer: int) -> Iterator[Linear]:
        """Yield the linear layers of a decoder layer."""
        block = f"model.language_model.layers.{layer}"
        attention, mlp = f"{block}.self_attn", f"{block}.mlp"
        yield Linear(f"{attention}.q_proj", self.width, self.width, has_bias=True)
        yield Linear(f"{attention}.k_proj", self.width, self.kv_width, has_bias=True)
        yield Linear(f"{attention}.v_proj", self.width, self.kv_width, has_bias=True)
        yield Linear(f"{attention}.o_proj", self.width, self.width)
        yield Linear(f"{mlp}.gate_proj", self.width, self.inner)
        yield Linear(f"{mlp}.up_proj", self.width, self.inner)
        yield Linear(f"{mlp}.down_proj", self.inner, self.width)

    @property
    def layer_parameters(self) -> int:
        """Parameters of a decoder layer: its linear layers and two norms."""
        return sum(linear.parameters for linear in self.layer_linears(0)) + 2 * self.width

    @property
    def embedding_parameters(self) -> int:
        """Parameters of the embedding, and of the head."""
        return self.vocabulary * self.width

    @property
    def parameters(self) -> int:
        """All parameters of the language model and its head."""
        matrices = 1 if self.tied else 2
        return (
            self.layers * self.layer_parameters + matrices * self.embedding_parameters + self.width
        )


@dataclass(frozen=True, slots=True)
class VisionShape:
    """The vision tower, with the merger that ends it.

    Attributes:
        blocks: `depth`.
        width: `hidden_size`.
        inner: `intermediate_size`.
        heads: `num_heads`.
        out: `out_hidden_size`, the width of the language model.
        patch_inputs: Values of a patch: channels, frames, height and width.
        merge: Patches that become one token, along each side.
        patch: Pixels of a patch, along each side.
    """

    blocks: int
    width: int
    inner: int
    heads: int
    out: int
    patch_inputs: int
    merge: int
    patch: int

    def block_linears(self, block: int) -> Iterator[Linear]:
        """Yield the linear layers of a block."""
        attention, mlp = (f"model.visual.blocks.{block}.{part}" for part in ("attn", "mlp"))
        yield Linear(f"{attention}.qkv", self.width, 3 * self.width, has_bias=True)
        yield Linear(f"{attention}.proj", self.width, self.width, has_bias=True)
        yield Linear(f"{mlp}.gate_proj", self.width, self.inner, has_bias=True)
        yield Linear(f"{mlp}.up_proj", self.width, self.inner, has_bias=True)
        yield Linear(f"{mlp}.down_proj", self.inner, self.width, has_bias=True)

    def merger_linears(self) -> Iterator[Linear]:
        """Yield the linear layers of the merger."""
        merged = self.width * self.merge**2
        yield Linear("model.visual.merger.mlp.0", merged, merged, has_bias=True)
        yield Linear("model.visual.merger.mlp.2", merged, self.out, has_bias=True)

    @property
    def block_parameters(self) -> int:
        """Parameters of a block: its linear layers and two norms."""
        return sum(linear.parameters for linear in self.block_linears(0)) + 2 * self.width

    @property
    def ends_parameters(self) -> int:
        """Parameters outside the blocks: the patches' projection, the merger and its norm."""
        merger = sum(linear.parameters for linear in self.merger_linears()) + self.width
        return self.patch_inputs * self.width + merger

    @property
    def parameters(self) -> int:
        """All parameters."""
        return self.blocks * self.block_parameters + self.ends_parameters

    def image_tokens(self, height: int, width: int) -> int:
        """Return the tokens of an image.

        The sides are rounded to whole tokens; an image of too few or too many is scaled first:
        transformers, models/qwen2_vl/image_processing_qwen2_vl.py, smart_resize.
        """
        side = self.patch * self.merge
        tokens = round(height / side) * round(width / side)
        if tokens > _MOST_TOKENS:
            shrink = math.sqrt(height * width / (_MOST_TOKENS * side**2))
            return math.prod(max(1, math.floor(n / shrink / side)) for n in (height, width))
        if tokens < _FEWEST_TOKENS:
            grow = math.sqrt(_FEWEST_TOKENS * side**2 / (height * width))
            return math.prod(math.ceil(n * grow / side) for n in (height, width))
        return tokens


@dataclass(frozen=True, slots=True)
class ModelShape:
    """A model.

    Attributes:
        name: Its folder or hub id.
        text: The language model.
        vision: The vision tower.
    """

    name: str
    text: TextShape
    vision: VisionShape

    @property
    def parameters(self) -> int:
        """All parameters; tied ones count once."""
        return self.text.parameters + self.vision.parameters

    def linears(self) -> Iterator[Linear]:
        """Yield the linear layers but for the head."""
        for layer in range(self.text.layers):
            yield from self.text.layer_linears(layer)
        for block in range(self.vision.blocks):
            yield from self.vision.block_linears(block)
        yield from self.vision.merger_linears()

    def tensors(self) -> Iterator[Tensor]:
        """Yield every parameter; tied ones once."""
        text, vision = self.text, self.vision
        for linear in self.linears():
            yield from linear.tensors()
        yield from [(text.vocabulary, text.width)] * (1 if text.tied else 2)
        yield vision.width, vision.patch_inputs
        # Two norms a layer and a block, and those that end language model and tower.
        yield from [(text.width, 1)] * (2 * text.layers + 1)
        yield from [(vision.width, 1)] * (2 * vision.blocks + 1)

    def can_share(self, gpus: int) -> bool:
        """Return whether an engine of vLLM can spread the layers over some GPUs.

        vllm/config/model.py, verify_with_parallel_config; model_executor/layers/linear.py: each GPU
        has whole heads and an equal part of every MLP, and key-value heads may be repeated.
        """
        text, vision = self.text, self.vision
        parts = (text.heads, text.inner, vision.heads, vision.inner)
        repeats = gpus % text.kv_heads == 0
        return all(part % gpus == 0 for part in parts) and (repeats or text.kv_heads % gpus == 0)


def _qwen(
    size: str, text: tuple[int, int, int, int, int, int], *, tied: bool = False, inner: int = 3456
) -> ModelShape:
    layers, width, middle, heads, kv_heads, vocabulary = text
    return ModelShape(
        f"Qwen/Qwen2.5-VL-{size}-Instruct",
        TextShape(layers, width, middle, heads, kv_heads, vocabulary, tied),
        VisionShape(32, 1280, inner, 16, width, 3 * 2 * 14 * 14, merge=2, patch=14),
    )


# layers, hidden_size, intermediate_size, heads, key-value heads, vocab_size; the text columns are
# those of table 1 of the Qwen2.5-VL report (arXiv:2502.13923) and of each config.json on the hub.
KNOWN: Mapping[str, ModelShape] = {
    shape.name: shape
    for shape in (
        _qwen("3B", (36, 2048, 11008, 16, 2, 151936), tied=True, inner=3420),
        _qwen("7B", (28, 3584, 18944, 28, 4, 152064), inner=3420),
        _qwen("32B", (64, 5120, 27648, 40, 8, 152064)),
        _qwen("72B", (80, 8192, 29568, 64, 8, 152064)),
    )
}
"""Hub id -> shape of the models that are planned for without a download."""


def find_shape(name: str) -> ModelShape:
    """Return the shape of a model: from its config.json where it is at hand, else from `KNOWN`.

    Args:
        name: A Hugging Face folder or a hub id.

    Raises:
        ConfigurationError: It is neither at hand nor known, or of another kind.
    """
    if name in KNOWN:
        return KNOWN[name]
    folder = find_model(name)
    if folder is None or not (folder / "config.json").is_file():
        raise ConfigurationError(
            f"{name} has no config.json here, from which its memory could be calculated; give a "
            f"folder, or one of {', '.join(KNOWN)}"
        )
    return read_shape(folder, name)


def known_shape(name: str) -> ModelShape | None:
    """Return the shape of a model; None where `find_shape` finds none."""
    try:
        return find_shape(name)
    except ConfigurationError:
        return None


def read_shape(folder: Path, name: str) -> ModelShape:
    """Return the shape that a folder's config.json describes.

    Args:
        folder: A Hugging Face folder.
        name: What to call the model.

    Raises:
        ConfigurationError: It cannot be read, or is of another kind.
    """
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # transformers raises what it meets in a damaged file.
        reason = str(error).strip().splitlines()[0]
        raise ConfigurationError(f"{folder / 'config.json'} cannot be read: {reason}") from None
    if config.model_type != MODEL_TYPE:
        raise ConfigurationError(
            f"{name} is of type {config.model_type}, and a plan is calculated for {MODEL_TYPE} "
            "alone; `unifer-train check` checks runs of other models too"
        )
    return _shape(config, name)


def _shape(config: Any, name: str) -> ModelShape:
    text, vision = config.text_config, config.vision_config
    return ModelShape(
        name,
        TextShape(
            layers=text.num_hidden_layers,
            width=text.hidden_size,
            inner=text.intermediate_size,
            heads=text.num_attention_heads,
            kv_heads=text.num_key_value_heads,
            vocabulary=text.vocab_size,
            tied=bool(config.tie_word_embeddings),
        ),
        VisionShape(
            blocks=vision.depth,
            width=vision.hidden_size,
            inner=vision.intermediate_size,
            heads=vision.num_heads,
            out=vision.out_hidden_size,
            patch_inputs=vision.in_channels * vision.temporal_patch_size * vision.patch_size**2,
            merge=vision.spatial_merge_size,
            patch=vision.patch_size,
        ),
    )
