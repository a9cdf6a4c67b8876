"""The forms in which a row may hold an image, and which of them verl's datasets take."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from recipes.training.configuration.settings import Stage

_REMOTE = ("http://", "https://")


@dataclass(frozen=True, slots=True)
class Picture:
    """An image of a row: its file or its bytes, and the size that it is shown at."""

    file: Path | None
    content: bytes | None
    options: Mapping[str, Any]

    def size(self) -> tuple[int, int]:
        """Return width and height; of an image elsewhere, those of a small one."""
        source = io.BytesIO(self.content) if self.content is not None else self.file
        if source is None:
            return (1, 1)
        with Image.open(source) as image:
            return image.size


def picture(image: Any, decoded: bool) -> Picture:
    """Return an image of a row that has no `image_problem`.

    Args:
        image: As the row holds it.
        decoded: Whether `datasets` decodes it.
    """
    options = image if isinstance(image, Mapping) else {}
    if options.get("bytes") is not None:
        return Picture(None, options["bytes"], options)
    reference = image if isinstance(image, str) else options.get("image", options.get("image_url"))
    if reference is None and decoded:
        reference = options["path"]
    if reference.startswith("data:image"):
        content = base64.b64decode(reference.partition("base64,")[2])
        return Picture(None, content, options)
    if reference.startswith(_REMOTE):
        return Picture(None, None, options)
    return Picture(Path(reference.removeprefix("file://")), None, options)


def image_problem(stage: Stage, image: Any) -> str | None:
    """Return why a stage cannot read an image; whether its file exists is another question."""
    if isinstance(image, str):
        if stage == "sft":
            return "an image is a string, which SFT does not take: give {'image': PATH}"
        return _reference_problem(image)
    if not isinstance(image, Mapping):
        return f"an image is {brief(image)}: give {{'image': PATH}}"
    reference = image.get("image", image.get("image_url"))
    if "bytes" in image:
        if stage == "sft" and "image" in image:
            return "an image has both `bytes` and `image`, which SFT does not take: leave one out"
        if image["bytes"] is None:
            # `datasets` decodes these; elsewhere verl opens nothing.
            return None if stage == "grpo" and image.get("path") else (
                "an image's `bytes` are null: give the bytes, or only {'image': PATH}"
            )  # fmt: skip
        if problem := _bytes_problem(image["bytes"]):
            return problem
    elif reference is None:
        return "an image has neither `image` nor `bytes`: give {'image': PATH}"
    elif problem := _reference_problem(reference):
        return problem
    sizes = [image[key] for key in ("resized_height", "resized_width") if key in image]
    if len(sizes) == 2 and not all(isinstance(size, int) and size > 0 for size in sizes):
        return "an image's `resized_height` and `resized_width` are not numbers: leave both out"
    return None


def _reference_problem(reference: Any) -> str | None:
    if not isinstance(reference, str) or not reference:
        return f"an image's reference is {brief(reference)}: give a path"
    if reference.startswith("data:image"):
        try:
            return _bytes_problem(base64.b64decode(reference.partition("base64,")[2]))
        except binascii.Error:
            return "an image's base64 text is damaged"
    return None


def _bytes_problem(content: Any) -> str | None:
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.verify()
    except Exception as error:  # Pillow's decoders raise whatever they meet.
        return f"an image's bytes are damaged ({type(error).__name__})"
    return None


def brief(value: Any) -> str:
    """Return a value as text of some 40 characters at most."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
