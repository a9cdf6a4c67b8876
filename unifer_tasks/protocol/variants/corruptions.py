"""Corruptions of an image: blur, compression, darkness, masks, ... for the variants `corrupted`.

Seven kinds in three strengths; `unifer_tasks/ferbench/README.md` has a table. The first four are
those of ImageNet-C at severities 1, 3 and 5 (D. Hendrycks and T. Dietterich, "Benchmarking Neural
Network Robustness to Common Corruptions and Perturbations", ICLR 2019: `gaussian_blur`, `pixelate`,
`jpeg_compression` and `gaussian_noise` of hendrycks/robustness, `ImageNet-C/imagenet_c`), of which
`low_resolution` is `pixelate` enlarged bicubically, as small images are. The others are ours.

ImageNet-C's numbers are for images of 224 x 224 pixels, which is what the protocol shows. So the
image is brought to that size first: a strength is the same share of the face in each dataset,
however small its files are. `low_resolution` goes by the pixels that the image has of its own, of
which 224 a side can be seen. A grey image stays grey.

Each question has one strength, and one of the kinds in question, dealt by a hash of its dataset and
id: they depend on nothing else, neither on the data at hand nor on how much of it is asked. The
same versions of Pillow and NumPy give the same pixels.
"""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from unifer_tasks.protocol.images import IMAGE_SIZE, protocol_image

STRENGTHS = (1, 2, 3)

_SEED = "ferbench-corrupted-0"

_BLUR = (1.0, 3.0, 6.0)
"""Standard deviation in pixels."""

_RESOLUTION = (0.6, 0.4, 0.25)
"""Shares of each side."""

_QUALITY = (25, 15, 7)

_NOISE = (0.08, 0.18, 0.38)
"""Standard deviation, as a share of the range of values."""

_STOPS = (2, 4, 6)
"""Halvings of the light."""

_GAMMA = 2.2

_MASK_TOP = (0.66, 0.45, 0.22)
"""Where a mask begins: below the nose, above its tip, on the cheeks."""

_LENS = ((0.34, 0.20, 0.80), (0.42, 0.32, 0.95), (0.48, 0.46, 1.0))
"""Half the width, half the height, and the opacity of a lens."""

_MASK_COLOUR = (172, 203, 214)
_LENS_COLOUR = (22, 22, 26)
_FINER = 4
"""Shapes are drawn this many times as large, so that their edges are smooth."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Condition:
    """How the image of a question is corrupted.

    Attributes:
        kind: One of `KINDS`.
        strength: One of `STRENGTHS`.
    """

    kind: str
    strength: int


@dataclass(frozen=True, slots=True)
class Face:
    """Where a face is, in shares of the image's width and height.

    A place on it is given from the point between the eyes, in distances of the eyes to the right
    and in distances of eyes and mouth downwards.

    Attributes:
        left: The middle of the eye on the left of the image.
        right: Of that on its right.
        mouth: The middle of the mouth.
    """

    left: Point
    right: Point
    mouth: Point

    @classmethod
    def of(cls, landmarks: Sequence[float], size: tuple[int, int]) -> Face | None:
        """Read five landmarks, if they are those of a face within the image.

        Args:
            landmarks: As `unifer_tasks.data.annotations.Annotations.landmarks`.
            size: Width and height of the image.
        """
        shares = np.asarray(landmarks, dtype=np.float64).reshape(-1, 2) / size
        if not np.isfinite(shares).all():
            return None
        left, right, _, *corners = shares
        mouth = np.mean(corners, axis=0)
        between = (left + right) / 2
        inside = (np.abs(np.stack([between, mouth]) - 0.5) <= 0.5).all()
        # A face seen from the side has its eyes close together, but not in one place.
        apart = np.hypot(*(right - left)) > _LEAST and np.hypot(*(mouth - between)) > _LEAST
        return cls(_point(left), _point(right), _point(mouth)) if inside and apart else None

    def outline(self, places: Sequence[Point], size: tuple[int, int]) -> list[Point]:
        """Return places on the face in pixels of an image of a size."""
        left, right, mouth = (np.multiply(p, size) for p in (self.left, self.right, self.mouth))
        between = (left + right) / 2
        across, down = right - left, mouth - between
        # Of a face seen from the side, width is judged by height.
        across = across * max(1.0, np.hypot(*down) / np.hypot(*across))
        return [_point(between + u * across + v * down) for u, v in places]


_LEAST = 0.02

ALIGNED = Face((0.31, 0.41), (0.69, 0.41), (0.5, 0.75))
"""The assumed place of a face without landmarks: it is upright and fills the image."""


def _point(array: NDArray[np.float64]) -> Point:
    return float(array[0]), float(array[1])


@dataclass(frozen=True, slots=True)
class _Scene:
    """What a corruption depends on besides the image.

    Attributes:
        size: Width and height that the image has of its own.
        face: Where the face is.
        seed: Of what is drawn at random.
    """

    size: tuple[int, int]
    face: Face
    seed: int


def in_words(kind: str) -> str:
    """Return the name of a kind in prose."""
    return "JPEG" if kind == "jpeg" else kind.replace("_", " ")


def seed_of(dataset: str, id_: str) -> int:
    """Return a question's own seed, of 64 bits."""
    digest = hashlib.sha256(f"{_SEED} {dataset} {id_}".encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:8])


def condition_of(dataset: str, id_: str, kinds: Sequence[str]) -> Condition:
    """Return how the image of a question is corrupted.

    Args:
        dataset: The dataset's key.
        id_: The question's id in it.
        kinds: The kinds that are dealt. The strength does not depend on them.
    """
    kind, strength = divmod(seed_of(dataset, id_), len(STRENGTHS))
    return Condition(kinds[kind % len(kinds)], STRENGTHS[strength])


def corrupt(
    image: Image.Image,
    condition: Condition,
    seed: int = 0,
    landmarks: Sequence[float] | None = None,
) -> Image.Image:
    """Return an image as the model is to see it: corrupted, and otherwise as in the base.

    Args:
        image: A decoded image of any mode and size.
        condition: What is to be done to it.
        seed: Of the noise; the noise of each strength is the same, weaker or stronger.
        landmarks: Where the face is, if that is known; `ALIGNED` where they are not of a face
            within the image.
    """
    shown = protocol_image(image)
    if _is_grey(shown):
        shown = shown.convert("L")
    face = Face.of(landmarks, image.size) if landmarks else None
    scene = _Scene(image.size, face or ALIGNED, seed)
    return _CORRUPTIONS[condition.kind](shown, condition.strength - 1, scene).convert("RGB")


def _is_grey(image: Image.Image) -> bool:
    values = np.asarray(image)
    return bool((values == values[..., :1]).all())


def _blur(image: Image.Image, level: int, _: _Scene) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(_BLUR[level]))


def _low_resolution(image: Image.Image, level: int, scene: _Scene) -> Image.Image:
    width, height = (
        max(1, round(_RESOLUTION[level] * min(own, seen)))
        for own, seen in zip(scene.size, image.size, strict=True)
    )
    small = image.resize((width, height), Image.Resampling.BOX)
    return small.resize(image.size, Image.Resampling.BICUBIC)


def _jpeg(image: Image.Image, level: int, _: _Scene) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_QUALITY[level])
    return Image.open(file)


def _noise(image: Image.Image, level: int, scene: _Scene) -> Image.Image:
    values = np.asarray(image) / 255
    values = values + np.random.default_rng(scene.seed).normal(0, _NOISE[level], values.shape)
    return Image.fromarray(np.rint(255 * values.clip(0, 1)).astype(np.uint8))


def _darkness(image: Image.Image, level: int, _: _Scene) -> Image.Image:
    light: float = 0.5 ** _STOPS[level]
    return ImageEnhance.Brightness(image).enhance(light ** (1 / _GAMMA))


def _mask(image: Image.Image, level: int, scene: _Scene) -> Image.Image:
    top = _MASK_TOP[level]
    half = ((0.35, top + 0.02), (0.98, top + 0.14), (0.98, 1.1), (0.82, 1.5), (0.42, 1.85))
    edge = ((0.0, top), *half, (0.0, 1.95), *((-u, v) for u, v in reversed(half)))
    return _covered(image, [scene.face.outline(edge, image.size)], _MASK_COLOUR, 1.0)


def _sunglasses(image: Image.Image, level: int, scene: _Scene) -> Image.Image:
    width, height, opacity = _LENS[level]
    turns = [2 * math.pi * step / 48 for step in range(48)]
    lens = [(width * math.cos(turn), height * math.sin(turn)) for turn in turns]
    bar = ((-1.15, -0.08), (1.15, -0.08), (1.15, -0.02), (-1.15, -0.02))
    parts = [[(side * 0.5 + u, v) for u, v in lens] for side in (-1, 1)]
    outlines = [scene.face.outline(part, image.size) for part in (*parts, bar)]
    return _covered(image, outlines, _LENS_COLOUR, opacity)


def _covered(
    image: Image.Image,
    outlines: Sequence[Sequence[Point]],
    colour: tuple[int, int, int],
    opacity: float,
) -> Image.Image:
    """Return an image with shapes of one colour on it, given by their outlines in pixels."""
    width, height = image.size
    stencil = Image.new("L", (_FINER * width, _FINER * height))
    draw = ImageDraw.Draw(stencil)
    for outline in outlines:
        draw.polygon([(_FINER * x, _FINER * y) for x, y in outline], fill=round(255 * opacity))
    painted = image.copy()
    cover = Image.new("RGB", image.size, colour).convert(image.mode)
    painted.paste(cover, mask=stencil.reduce(_FINER))
    return painted


_CORRUPTIONS: Mapping[str, Callable[[Image.Image, int, _Scene], Image.Image]] = MappingProxyType(
    {
        "blur": _blur,
        "low_resolution": _low_resolution,
        "jpeg": _jpeg,
        "noise": _noise,
        "darkness": _darkness,
        "mask": _mask,
        "sunglasses": _sunglasses,
    }
)

KINDS = tuple(_CORRUPTIONS)
"""Every kind, in the order in which they are shown."""

assert IMAGE_SIZE == (224, 224), "the strengths are for images of this size"
