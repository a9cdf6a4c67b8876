"""The pixels that a benchmark question shows.

The paper's inference script hands Qwen2.5-VL every image at 224 x 224
(zfkarl/UniFER, `eval_*/code/infer_unifer.py`), which qwen-vl-utils reaches by converting to RGB
(transparency on white) and one bicubic resize that ignores the aspect ratio. FERBench does
the same for every model. With 28 x 28 pixels a token that is 64 image tokens, provided that
the model's own preprocessor does not enlarge the image again: `MIN_PIXELS` is the lower
bound to give it (lmms-eval's `qwen2_5_vl` has a larger default that turns 224 into 448).

EXIF: `datasets` has rotated an image by its orientation before it comes here.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

IMAGE_SIZE = (224, 224)
"""Width and height in pixels."""

MIN_PIXELS = 3136
MAX_PIXELS = 501760
"""Preprocessor bounds of the paper's training (zfkarl/UniFER, `run_grpo_vllm.sh`)."""


def protocol_image(image: Image.Image) -> Image.Image:
    """Return the image as every model is to see it: RGB, `IMAGE_SIZE`.

    Args:
        image: A decoded image of any mode and size.
    """
    if image.mode == "L":
        # The same pixels as of three equal channels, for a third of the work.
        return image.resize(IMAGE_SIZE, Image.Resampling.BICUBIC).convert("RGB")
    return native_image(image).resize(IMAGE_SIZE, Image.Resampling.BICUBIC)


def native_image(image: Image.Image) -> Image.Image:
    """Return the image at its own size, RGB, transparency on white.

    Args:
        image: A decoded image of any mode and size; returned itself if it is RGB.
    """
    if image.mode == "RGB":
        return image
    image = eight_bits(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        canvas = Image.new("RGB", image.size, "white")
        canvas.paste(image, mask=image.getchannel("A"))
        return canvas
    return image.convert("RGB")


def has_sixteen_bits(image: Image.Image) -> bool:
    """Return whether an image is gray of 16 bits, which Pillow's `convert` turns white."""
    return image.mode.startswith("I;16")


def eight_bits(image: Image.Image) -> Image.Image:
    """Return an image with its gray values of 16 bits scaled to 8; any other as it is."""
    if not has_sixteen_bits(image):
        return image
    # From 0 to 65,535 onto 0 to 255, to the nearest.
    scaled = (np.asarray(image).astype(np.uint32) + 128) // 257
    return Image.fromarray(scaled.astype(np.uint8))
