"""The pixels that a teacher and other harnesses are given."""

from __future__ import annotations

import base64
import io

import datasets
import pytest
from PIL import ExifTags, Image

from data_prep.support.images import as_png
from tests.data_prep.official import face
from unifer_tasks.protocol.images import protocol_image


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_png_has_the_pixels_of_the_benchmark(orientation: int) -> None:
    image = Image.open(io.BytesIO(face("fear", 3, (100, 80), "PNG"))).convert("RGB")
    exif = image.getexif()
    exif[ExifTags.Base.Orientation] = orientation
    file = io.BytesIO()
    image.save(file, "JPEG", exif=exif)
    row = {"bytes": file.getvalue(), "path": None}
    asked = protocol_image(datasets.Image().decode_example(row))
    png = Image.open(io.BytesIO(base64.b64decode(as_png(file))))
    assert png.tobytes() == asked.tobytes()
