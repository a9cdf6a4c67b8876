"""What Pillow reads of images, and how it fails on them."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from pathlib import Path
from typing import IO

from PIL import Image, ImageOps

from data_prep.support.errors import DamagedError
from data_prep.support.tree import Tree
from unifer_tasks.protocol.images import protocol_image

UNDECODABLE = (
    *(OSError, SyntaxError, ValueError, EOFError, IndexError),
    *(struct.error, zlib.error, Image.DecompressionBombError),
)
"""Exceptions that Pillow's decoders raise on broken files, and on those of too many pixels."""


def image_size(tree: Tree, member: str) -> tuple[int, int] | None:
    """Return an image's width and height, from its header; None if it has none."""
    try:
        with Image.open(io.BytesIO(tree.read(member))) as image:
            return image.size
    except (*UNDECODABLE, DamagedError):
        return None


def as_png(file: Path | IO[bytes], compress_level: int = 6) -> str:
    """Return the pixels that the benchmark shows of an image, as PNG in base64.

    Raises:
        UNDECODABLE: It cannot be read.
    """
    with Image.open(file) as image:
        ImageOps.exif_transpose(image, in_place=True)
        shown = protocol_image(image)
    buffer = io.BytesIO()
    shown.save(buffer, "PNG", compress_level=compress_level)
    return base64.b64encode(buffer.getvalue()).decode()
