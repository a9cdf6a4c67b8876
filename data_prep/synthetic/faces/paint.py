"""Pictures of synthetic faces: the frame, the camera and the contact sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from data_prep.synthetic.faces.face import Face
from data_prep.synthetic.faces.layers import FacePainter
from data_prep.synthetic.faces.raster import Canvas, View
from data_prep.synthetic.faces.sampling import sample_face
from unifer_tasks.protocol.labels import CANONICAL_LABELS

MIN_SIDE = 32
MAX_SIDE = 1024

# Fine lines need this many pixels; smaller pictures are painted larger and reduced.
_MIN_PAINTED_SIDE = 128


def paint(face: Face, size: int | tuple[int, int], *, gray: bool = False) -> Image.Image:
    """Paint a face.

    Args:
        face: What to paint.
        size: Width and height in pixels, or one number for a square; 32 to 1024 each. The
            head keeps its proportions and the middle of the frame.
        gray: Whether to return an "L" image instead of an "RGB" one.

    Raises:
        ValueError: A side is outside 32 to 1024 pixels.
    """
    width, height = (size, size) if isinstance(size, int) else size
    if min(width, height) < MIN_SIDE or max(width, height) > MAX_SIDE:
        raise ValueError(f"size {width}x{height} outside {MIN_SIDE} to {MAX_SIDE} pixels a side")
    factor = math.ceil(_MIN_PAINTED_SIDE / min(width, height))
    view = View(face.pose, face.identity.head_width, width * factor, height * factor)
    canvas = Canvas(_background(face, view), view)
    FacePainter(face, canvas).paint()
    picture = canvas.image.reduce(factor) if factor > 1 else canvas.image
    return _photograph(picture, face, view.scale / factor, gray)


def draw(
    label: str,
    seed: int | Sequence[int],
    size: int | tuple[int, int],
    *,
    gray: bool = False,
) -> tuple[Image.Image, Face]:
    """Draw and paint the face of a canonical label and a seed.

    With the same releases of numpy and Pillow, a seed of `numpy.random.default_rng` gives the same
    pixels, and the same person for every label. Size and gray are as in `paint`.
    """
    face = sample_face(label, np.random.default_rng(seed))
    return paint(face, size, gray=gray), face


def contact_sheet(columns: int = 8, size: int = 112) -> Image.Image:
    """Paint a table of faces: a row for each expression, a different person in every cell.

    The labels are in a column on the left; `size` is the side of a face, 32 to 1024 pixels.
    """
    margin = 84
    sheet = Image.new("RGB", (margin + columns * size, len(CANONICAL_LABELS) * size), "white")
    text, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for row, label in enumerate(CANONICAL_LABELS):
        text.text((6, (row + 0.5) * size), label, fill="black", font=font, anchor="lm")
        for column in range(columns):
            picture, _ = draw(label, (0, row, column), size)
            sheet.paste(picture, (margin + column * size, row * size))
    return sheet


def _background(face: Face, view: View) -> Image.Image:
    colours = np.array(face.background, dtype=np.uint8)
    frame = (view.width, view.height)
    return Image.fromarray(colours).resize(frame, Image.Resampling.BICUBIC)


def _photograph(picture: Image.Image, face: Face, scale: float, gray: bool) -> Image.Image:
    """Add defocus, exposure and sensor noise."""
    camera = face.camera
    sigma = camera.blur * scale
    if sigma > 0.25:
        picture = picture.filter(ImageFilter.GaussianBlur(sigma))
    if gray:
        picture = picture.convert("L")
    pixels = np.asarray(picture, dtype=np.float32) * np.float32(camera.exposure)
    noise = np.random.default_rng(camera.noise_seed).standard_normal(
        (picture.height, picture.width), dtype=np.float32
    )
    noise *= np.float32(camera.noise)
    pixels += noise if gray else noise[..., None]
    return Image.fromarray(np.clip(pixels, 0, 255, out=pixels).astype(np.uint8))
