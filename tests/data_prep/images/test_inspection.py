"""One look at an image: what is refused, and which hashes agree."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace

import datasets
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageFile

from data_prep.images import inspection
from data_prep.images.inspection import inspect, perceptual_hash
from data_prep.images.nearness import MAX_BITS
from data_prep.synthetic.faces import draw
from tests.data_prep.official import face
from unifer_tasks.protocol.images import IMAGE_SIZE, protocol_image

JPEG = face("fear", 3, (100, 100), "JPEG")
PNG = face("fear", 3, (100, 100), "PNG")


def encoded(image: Image.Image, form: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def huge_png() -> bytes:
    """Return a valid header that promises 100,000 x 100,000 pixels."""
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "is empty"),
        (b"<html>404</html>", "is not an image"),
        (JPEG[: len(JPEG) // 2], "cannot be decoded"),
        (PNG[: len(PNG) // 2], "cannot be decoded"),
        (JPEG[:20], "is not an image"),
        (huge_png(), "more than 67,108,864"),
        (encoded(Image.new("RGB", (7, 90)), "PNG"), "has 7 x 90 pixels only"),
        (encoded(Image.new("RGB", (90, 90)), "GIF"), "is a GIF, which is not read; convert it"),
        (b"\0\0\0 ftypavif\0\0\0\0avifmif1", "is an AVIF, which is not read"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "is a HEIC, which is not read"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "is a HEIC, which is not read"),
        (encoded(Image.new("RGB", (90, 90)), "JPEG2000"), "is a JPEG 2000, which is not read"),
        (encoded(Image.new("RGB", (90, 90)), "PPM"), "is a PNM, which is not read"),
        (b'\n<svg xmlns="">', "is an SVG, which is not read"),
        (b"<!DOCTYPE html><html>404", "is not an image but a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "is not an image but a Git LFS"),
        (
            encoded(Image.fromarray(np.ones((90, 90), dtype=np.float32)), "TIFF"),
            "is a TIFF of floating-point values; convert it to 8 bits",
        ),
        (
            encoded(Image.fromarray(np.ones((90, 90), dtype=np.int32)), "TIFF"),
            "is a TIFF of 32-bit integers; convert it to 8 bits",
        ),
        ("cannot be read: gone", "cannot be read: gone"),
    ],
)
def test_an_unusable_image_says_why(data: bytes | str, fault: str) -> None:
    assert fault in str(inspect(data).fault)


@pytest.mark.parametrize("data", [JPEG, PNG], ids=["jpeg", "png"])
def test_a_truncated_file_is_rejected_even_if_pillow_is_set_to_fill_it_in(
    data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)  # as lmms-eval does on import
    assert "cannot be decoded" in str(inspect(data[: len(data) // 2]).fault)


def test_a_file_too_large_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "MAX_IMAGE_BYTES", 2**20)
    assert inspect(bytes(2**20 + 1)).fault == "is larger than 1 MiB"


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "CMYK", "1"])
def test_every_mode_is_decoded(mode: str) -> None:
    picture = Image.open(io.BytesIO(PNG)).convert(mode)
    assert inspect(encoded(picture, "TIFF")).fault is None


@settings(deadline=None, max_examples=200)
@given(cut=st.integers(0, len(JPEG)), junk=st.binary(max_size=40))
def test_no_bytes_raise(cut: int, junk: bytes) -> None:
    found = inspect(JPEG[:cut] + junk + JPEG[cut + len(junk) :])
    assert (found.fault is None) == (len(found.perceptual) == inspection.PERCEPTUAL_BYTES)


def test_equal_pixels_have_equal_hashes_in_any_format() -> None:
    picture = Image.open(io.BytesIO(JPEG))
    same = [encoded(picture, "PNG"), encoded(picture, "BMP"), JPEG]
    assert len({inspect(data).pixels for data in same}) == 1
    gray = picture.convert("L")
    assert (
        inspect(encoded(gray, "PNG")).pixels == inspect(encoded(gray.convert("RGB"), "PNG")).pixels
    )
    wide = Image.frombytes("RGB", (200, 50), picture.tobytes())
    assert inspect(encoded(wide, "PNG")).pixels != inspect(JPEG).pixels


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_gray_of_sixteen_bits_looks_like_eight(form: str) -> None:
    gray = Image.open(io.BytesIO(PNG)).convert("L")
    deep = Image.fromarray(np.asarray(gray).astype(np.uint16) * 257)
    found, expected = inspect(encoded(deep, form)), inspect(encoded(gray, form))
    assert found.shown_otherwise.startswith("is gray of 16 bits")
    assert replace(found, shown_otherwise="") == expected


def _with_orientation(image: Image.Image, orientation: int) -> bytes:
    exif = image.getexif()
    exif[ExifTags.Base.Orientation] = orientation
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


def _palette(*, is_transparent: bool) -> bytes:
    red = Image.new("RGB", (30, 20), "red").convert("P")
    used = red.getpixel((0, 0))
    assert isinstance(used, int)
    return encoded(red, "PNG", transparency=used if is_transparent else used ^ 1)


_FACE = Image.open(io.BytesIO(PNG))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (PNG, ""),
        (encoded(_FACE.convert("L"), "PNG"), ""),
        (encoded(_FACE.convert("P"), "PNG"), ""),
        (encoded(Image.new("RGBA", (30, 20), (9, 9, 9, 99)), "PNG"), ""),
        (encoded(Image.new("LA", (30, 20), (9, 99)), "PNG"), "has transparency"),
        (_palette(is_transparent=True), "has transparency"),
        (_palette(is_transparent=False), ""),
        (_with_orientation(_FACE.convert("RGB"), 1), ""),
        (_with_orientation(_FACE.convert("RGB"), 6), "lies on its side or head"),
        (encoded(Image.fromarray(np.full((20, 30), 30_000, np.uint16)), "PNG"), "is gray of 16"),
    ],
)
def test_what_verl_shows_otherwise_than_the_benchmark_is_known(data: bytes, said: str) -> None:
    vision = pytest.importorskip("qwen_vl_utils.vision_process")
    asked = protocol_image(datasets.Image().decode_example({"bytes": data, "path": None}))
    trained = vision.to_rgb(Image.open(io.BytesIO(data))).resize(IMAGE_SIZE)
    found = inspect(data).shown_otherwise
    assert (asked.tobytes() == trained.tobytes()) == (found == "")
    assert found.startswith(said)


def test_an_animated_gif_is_rejected_too() -> None:
    buffer = io.BytesIO()
    frames = [Image.new("L", (90, 90), level) for level in (0, 255)]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    assert "is a GIF" in str(inspect(buffer.getvalue()).fault)


def distance(first: Image.Image, second: Image.Image) -> int:
    bits = (np.frombuffer(perceptual_hash(image), dtype=np.uint8) for image in (first, second))
    return int(np.bitwise_count(next(bits) ^ next(bits)).sum())


def test_versions_of_a_picture_are_nearer_than_other_pictures() -> None:
    faces = [draw("fear" if n % 2 else "neutral", [5, n], 100)[0] for n in range(24)]
    versions = []
    for image in faces:
        recoded = Image.open(io.BytesIO(encoded(image, "JPEG", quality=60)))
        small = image.convert("L").resize((48, 48))
        large = image.resize((224, 224))
        versions += [distance(image, version) for version in (recoded, small, large)]
    others = [distance(a, b) for n, a in enumerate(faces) for b in faces[:n]]
    assert max(versions) <= MAX_BITS < min(others)
