"""What Pillow reads of images in a tree, and how it fails on them."""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image

from data_prep.support.errors import DamagedError
from data_prep.support.tree import Tree

UNDECODABLE = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error)
"""Exceptions that Pillow's decoders raise on broken files."""


def image_size(tree: Tree, member: str) -> tuple[int, int] | None:
    """Return an image's width and height, from its header; None if it has none."""
    try:
        with Image.open(io.BytesIO(tree.read(member))) as image:
            return image.size
    except (*UNDECODABLE, DamagedError, Image.DecompressionBombError):
        return None
