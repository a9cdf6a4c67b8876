"""Decode an image once: is it intact, and what does it look like?"""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import xxhash
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from data_prep.support.images import UNDECODABLE
from data_prep.support.tree import MAX_IMAGE_BYTES
from unifer_tasks.protocol.images import eight_bits, has_sixteen_bits, native_image

MAX_PIXELS = 2**26
"""Maximum number of pixels, 67 million; an image with more is a decompression bomb."""

MIN_SIDE = 8
"""Minimum width and height in pixels; a smaller image cannot show a face."""

FORMATS = ("BMP", "JPEG", "PNG", "TIFF", "WEBP")

_UNUSUAL: Mapping[str, str] = {"F": "floating-point values", "I": "32-bit integers"}
"""Pillow modes without a defined white, and what they hold."""

_HEAD = 256
"""Bytes at the start of a file that identify its kind."""

_BRANDS: Mapping[bytes, str] = {
    **dict.fromkeys((b"avif", b"avis"), "an AVIF"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"), "a HEIC"),
}
"""Brands that follow `ftyp` in files of phones and browsers."""

_NO_IMAGES = ("a web page", "a Git LFS pointer", "a zip", "a PDF", "a gzip")

_MARKS = (
    (b"gif8", "a GIF"),
    (b"\0\0\0\x0cjp  \r\n", "a JPEG 2000"),
    (b"\xffo\xffq", "a JPEG 2000"),
    (b"\0\0\0\x0cjxl \r\n", "a JPEG XL"),
    (b"\xff\x0a", "a JPEG XL"),
    (b"\0\0\1\0", "an ICO"),
    (b"8bps", "a Photoshop file"),
    *((b"p%d\n" % number, "a PNM") for number in range(1, 7)),
    (b"<svg", "an SVG"),
    (b"<?xml", "an SVG"),
    (b"<!doctype html", "a web page"),
    (b"<html", "a web page"),
    (b"version https://git-lfs", "a Git LFS pointer"),
    (b"pk\3\4", "a zip"),
    (b"%pdf", "a PDF"),
    (b"\x1f\x8b", "a gzip"),
)
"""The first bytes of other kinds of files, in lower case."""

PIXELS_BYTES = 16
PERCEPTUAL_BYTES = 32

_GRID = 32
_FREQUENCIES = 16


@dataclass(frozen=True, slots=True)
class Inspection:
    """The findings on an image's bytes.

    Attributes:
        fault: Why it cannot be used, in which case the rest is empty; None if it can.
        pixels: `PIXELS_BYTES` bytes, equal for equal RGB pixels of equal size in any file format.
        perceptual: `PERCEPTUAL_BYTES` bytes; versions of one picture differ in few bits.
        shown_otherwise: Why verl's trainers, which open a file by qwen-vl-utils' `to_rgb`, show
            other pixels of it than the benchmark does, and the remedy; "" if they show the same.
    """

    fault: str | None
    pixels: bytes = b""
    perceptual: bytes = b""
    shown_otherwise: str = ""


def inspect(data: bytes | str) -> Inspection:
    """Decode an image, or what `Tree.try_read` says in its place, once and describe it.

    This turns off, for the whole process, that Pillow fills in truncated files: other packages
    (lmms-eval on import) turn it on, and a half-gray face would then pass as intact.
    """
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    if isinstance(data, str):
        return Inspection(data)
    if not data:
        return Inspection("is empty")
    if len(data) > MAX_IMAGE_BYTES:
        return Inspection(f"is larger than {MAX_IMAGE_BYTES // 2**20} MiB")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            file = Image.open(io.BytesIO(data), formats=FORMATS)
        width, height = file.size
        if width * height > MAX_PIXELS:
            return Inspection(f"has {width} x {height} pixels, more than {MAX_PIXELS:,}")
        if min(width, height) < MIN_SIDE:
            return Inspection(f"has {width} x {height} pixels only")
        if file.mode in _UNUSUAL:
            return Inspection(
                f"is a {file.format} of {_UNUSUAL[file.mode]}; convert it to 8 bits a channel"
            )
        otherwise = _shown_otherwise(file)
        image = eight_bits(file).convert("RGB")
    except Image.DecompressionBombError:
        return Inspection(f"has more than {MAX_PIXELS:,} pixels")
    except UnidentifiedImageError:
        return Inspection(_not_read(data))
    except UNDECODABLE as error:
        return Inspection(f"cannot be decoded: {error}")
    digest = xxhash.xxh3_128(image.tobytes())
    digest.update(struct.pack("<II", width, height))
    return Inspection(None, digest.digest(), perceptual_hash(image), otherwise)


def _shown_otherwise(file: Image.Image) -> str:
    if has_sixteen_bits(file):
        return "is gray of 16 bits, which verl shows to the model as white; convert it to 8 bits"
    if file.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        return "lies on its side or head by its EXIF, which verl does not read; save it upright"
    # `to_rgb` puts RGBA alone on white.
    clear = file.has_transparency_data and file.mode != "RGBA"
    if clear and native_image(file).tobytes() != file.convert("RGB").tobytes():
        return "has transparency that verl does not show as white; convert it to RGBA"
    return ""


def _not_read(data: bytes) -> str:
    """Return why a file in none of `FORMATS` is not read, and what it is if that is known."""
    head = data[:_HEAD]
    if head[4:8] == b"ftyp":
        kind = _BRANDS.get(head[8:12], "a video")
    else:
        kind = next((kind for mark, kind in _MARKS if head.lstrip().lower().startswith(mark)), "")
    if not kind:
        return "is not an image"
    if kind in _NO_IMAGES:
        return f"is not an image but {kind}"
    return f"is {kind}, which is not read; convert it to PNG"


def perceptual_hash(image: Image.Image) -> bytes:
    """Return a hash that survives another encoding or size.

    The signs of the 16 x 16 lowest cosine coefficients of the 32 x 32 gray picture, relative to
    their median and without the mean (Zauner 2010, "Implementation and benchmarking of perceptual
    image hash functions", at four times the usual 64 bits, since faces look alike).
    """
    gray = image.convert("L").resize((_GRID, _GRID), Image.Resampling.LANCZOS)
    basis = _cosines()
    coefficients = basis @ np.asarray(gray, dtype=np.float32) @ basis.T
    flat = coefficients.ravel()[1:]
    # The coefficients of a picture of one colour are rounding errors.
    bits = flat > np.median(flat) + 1e-3
    return np.packbits(np.concatenate([[False], bits])).tobytes()


@cache
def _cosines() -> NDArray[np.float32]:
    frequency, position = np.mgrid[:_FREQUENCIES, :_GRID]
    cosines: NDArray[np.float32] = np.cos(
        np.pi * frequency * (2 * position + 1) / (2 * _GRID)
    ).astype(np.float32)
    return cosines
