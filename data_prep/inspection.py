"""One decoding of an image: is it sound, and what does it look like?"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from dataclasses import dataclass
from functools import cache

import numpy as np
import xxhash
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError

from data_prep.archives.tree import MAX_IMAGE_BYTES

MAX_PIXELS = 2**26
"""A decoded image may have 67 million pixels; one that asks for more is a bomb."""

MIN_SIDE = 8
"""Width and height in pixels below which an image shows no face."""

FORMATS = ("BMP", "JPEG", "PNG", "TIFF", "WEBP")

PERCEPTUAL_BYTES = 32

_GRID = 32
_FREQUENCIES = 16

_UNDECODABLE = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error)
"""What Pillow's decoders raise on broken files."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What one look at an image's bytes tells.

    Attributes:
        fault: Why it cannot be used; None if it can. The rest is empty if it cannot.
        pixels: 16 bytes, equal for equal RGB pixels of equal size, whatever the file format.
        perceptual: `PERCEPTUAL_BYTES` bytes; few bits differ between versions of one picture.
    """

    fault: str | None
    pixels: bytes = b""
    perceptual: bytes = b""


def inspect(data: bytes | str) -> Inspection:
    """Decodes an image once and describes it.

    Pillow is told, for the whole process, not to fill in what a cut file lacks: other packages
    (lmms-eval on import) tell it to, and a face half gray would pass for sound.

    Args:
        data: What `Tree.try_read` gave.
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
        image = file.convert("RGB")
    except Image.DecompressionBombError:
        return Inspection(f"has more than {MAX_PIXELS:,} pixels")
    except UnidentifiedImageError:
        return Inspection("is no image")
    except _UNDECODABLE as error:
        return Inspection(f"cannot be decoded: {error}")
    digest = xxhash.xxh3_128(image.tobytes())
    digest.update(struct.pack("<II", width, height))
    return Inspection(None, digest.digest(), perceptual_hash(image))


def perceptual_hash(image: Image.Image) -> bytes:
    """Returns a hash that survives another encoding or size.

    The signs of the 16 x 16 lowest cosine coefficients of the 32 x 32 gray picture, about their
    median and without the mean (Zauner 2010, "Implementation and benchmarking of perceptual
    image hash functions", at four times the usual 64 bits, since faces are alike).
    """
    gray = image.convert("L").resize((_GRID, _GRID), Image.Resampling.LANCZOS)
    basis = _cosines()
    coefficients = basis @ np.asarray(gray, dtype=np.float32) @ basis.T
    flat = coefficients.ravel()[1:]
    # A picture of one colour has rounding errors for coefficients.
    bits = flat > np.median(flat) + 1e-3
    return np.packbits(np.concatenate([[False], bits])).tobytes()


@cache
def _cosines() -> NDArray[np.float32]:
    frequency, position = np.mgrid[:_FREQUENCIES, :_GRID]
    cosines: NDArray[np.float32] = np.cos(
        np.pi * frequency * (2 * position + 1) / (2 * _GRID)
    ).astype(np.float32)
    return cosines
