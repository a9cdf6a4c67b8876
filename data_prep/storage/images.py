"""The size of an image in a tree, from its header."""

from __future__ import annotations

import io
import struct

from PIL import Image

from data_prep.errors import DamagedError
from data_prep.storage.tree import Tree

_NO_SIZE = (
    DamagedError,
    Image.DecompressionBombError,
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    struct.error,
)
"""What reading and Pillow raise on a file that is not an intact image."""


def image_size(tree: Tree, member: str) -> tuple[int, int] | None:
    """Return an image's width and height, from its header; None if it has none."""
    try:
        with Image.open(io.BytesIO(tree.read(member))) as image:
            return image.size
    except _NO_SIZE:
        return None
