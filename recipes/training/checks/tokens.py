"""How many tokens a row takes, counted as verl does: by the model's template and processor."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from recipes.training.checks.images import Picture
from recipes.training.checks.model import find_processor
from recipes.training.configuration.settings import Settings, Stage

PLACEHOLDER = "<image>"
"""Of an image in a message, to verl's datasets."""


class Tokens:
    """Count the tokens of rows as verl does: with the model's chat template and processor."""

    def __init__(self, stage: Stage, processor: Any, options: Mapping[str, Any]) -> None:
        """Take a processor of Qwen's kind, whose images become tokens by their size.

        Args:
            stage: A prompt of GRPO ends where the response begins.
            processor: Of transformers.
            options: `data.apply_chat_template_kwargs`.
        """
        self._processor = processor
        self._options = {**options, "add_generation_prompt": stage == "grpo", "tokenize": False}
        self._text: dict[str, int] = {}
        self._image: dict[tuple[int, int], int] = {}
        self._frame: dict[tuple[str, ...], int] = {}

    def of(
        self, messages: Sequence[Mapping[str, Any]], pictures: Sequence[Picture], limit: int
    ) -> int:
        """Return a row's tokens, or any number up to the limit where they cannot be above it.

        Raises:
            OSError: An image cannot be opened.
        """
        images = sum(self.of_image(picture) for picture in pictures)
        roles = tuple(str(message["role"]) for message in messages)
        if roles not in self._frame:
            empty = [{"role": role, "content": ""} for role in roles]
            self._frame[roles] = len(self._rendered(empty).encode())
        # A token is a byte or more.
        most = self._frame[roles] + images + sum(len(_texts(m).encode()) for m in messages)
        if most <= limit:
            return most
        text = self._rendered([{**m, "content": _parts(m["content"])} for m in messages])
        if text not in self._text:
            encoded = self._processor.tokenizer(text, add_special_tokens=False)
            self._text[text] = len(encoded["input_ids"])
        # Each image is one token of the text before it is expanded.
        return self._text[text] - len(pictures) + images

    def _rendered(self, messages: Sequence[Mapping[str, Any]]) -> str:
        return str(self._processor.apply_chat_template(list(messages), **self._options))

    def of_image(self, picture: Picture) -> int:
        """Return an image's tokens.

        Raises:
            OSError: It cannot be opened.
        """
        from qwen_vl_utils.vision_process import smart_resize

        processor = self._processor.image_processor
        factor = processor.patch_size * processor.merge_size
        options = picture.options
        if "resized_height" in options and "resized_width" in options:
            height, width = smart_resize(
                options["resized_height"], options["resized_width"], factor=factor
            )
        else:
            width, height = picture.size()
            height, width = smart_resize(
                height,
                width,
                factor=factor,
                min_pixels=options.get("min_pixels"),
                max_pixels=options.get("max_pixels"),
            )
        if (width, height) not in self._image:
            shown = processor(images=[Image.new("RGB", (width, height))], return_tensors="pt")
            patches = int(shown["image_grid_thw"].prod())
            self._image[width, height] = patches // processor.merge_size**2
        return self._image[width, height]


def find_tokens(settings: Settings) -> Tokens | None:
    """Return what counts the tokens of a run's rows.

    Returns:
        None for a model that is still to be downloaded, or one not of Qwen's kind, whose images
        become tokens by their size.
    """
    processor = find_processor(settings.model.path)
    if processor is None or not hasattr(processor.image_processor, "merge_size"):
        return None
    return Tokens(settings.stage, processor, settings.data.template_options)


def _texts(message: Mapping[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else json.dumps(content, default=str)


def _parts(content: Any) -> Any:
    """Return a content as verl builds it: a part for each image, and for the text between."""
    if not isinstance(content, str):
        return content
    first, *rest = content.split(PLACEHOLDER)
    parts: list[dict[str, str]] = [{"type": "text", "text": first}] if first else []
    for text in rest:
        parts.append({"type": "image"})
        if text:
            parts.append({"type": "text", "text": text})
    return parts
