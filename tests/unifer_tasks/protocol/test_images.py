from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from unifer_tasks.protocol.images import IMAGE_SIZE, native_image, protocol_image


def noise(mode: str, size: tuple[int, int]) -> Image.Image:
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 256, (size[1], size[0], 4), dtype=np.uint8)).convert(
        mode
    )


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "CMYK", "RGBA", "LA"])
@pytest.mark.parametrize("size", [(48, 48), (143, 181), (224, 224), (1, 300)])
def test_every_image_becomes_rgb_at_the_protocols_size(mode: str, size: tuple[int, int]) -> None:
    image = protocol_image(noise(mode, size))
    assert (image.mode, image.size) == ("RGB", IMAGE_SIZE)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_pixels_are_those_of_the_papers_loader(mode: str) -> None:
    vision = pytest.importorskip("qwen_vl_utils")
    source = noise(mode, (100, 130))
    # What the paper's inference script asks for; its loader resizes once, in place.
    expected = vision.fetch_image({"image": source, "resized_height": 224, "resized_width": 224})
    assert np.array_equal(np.asarray(protocol_image(source)), np.asarray(expected))


def test_transparency_is_white() -> None:
    clear = Image.new("RGBA", (10, 10), (0, 0, 0, 0))
    assert protocol_image(clear).getpixel((5, 5)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA"])
def test_a_native_image_keeps_its_size(mode: str) -> None:
    image = native_image(noise(mode, (31, 77)))
    assert (image.mode, image.size) == ("RGB", (31, 77))


@pytest.mark.parametrize(
    ("mode", "image"),
    [
        ("LA", Image.new("LA", (10, 10), (0, 0))),
        ("PA", Image.new("RGBA", (10, 10), (0, 0, 0, 0)).convert("PA")),
    ],
)
def test_transparency_of_any_mode_is_white(mode: str, image: Image.Image) -> None:
    assert image.mode == mode
    assert protocol_image(image).getpixel((5, 5)) == (255, 255, 255)


def test_a_transparent_colour_of_a_palette_is_white() -> None:
    buffer = io.BytesIO()
    red = Image.new("RGB", (10, 10), "red").convert("P")
    red.save(buffer, "PNG", transparency=red.getpixel((5, 5)))
    assert protocol_image(Image.open(buffer)).getpixel((5, 5)) == (255, 255, 255)


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_gray_of_sixteen_bits_is_scaled(form: str, order: str) -> None:
    levels = np.arange(256, dtype=np.uint16).reshape(16, 16)
    buffer = io.BytesIO()
    Image.fromarray((levels * 257).astype(order)).save(buffer, form)
    image = Image.open(buffer)
    assert image.mode.startswith("I;16")
    assert np.array_equal(np.asarray(native_image(image))[..., 1], levels)
