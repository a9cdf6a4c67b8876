"""Antialiased soft shapes on a canvas that is addressed in face units."""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from data_prep.synthetic.faces.face import Pose, Rgb

Points = NDArray[np.float64]
"""Positions in face units, shape (n, 2)."""

Paint = Rgb | Image.Image
"""One colour, or a texture of the canvas's size."""

Layer = tuple[Points, Rgb, float, float]
"""An outline with its colour, opacity and blur: the arguments of `Canvas.fill`."""

_SUPERSAMPLING = 4
_FRAME_HALF_WIDTH = 0.98
_FRAME_HALF_HEIGHT = 1.13
_HEAD_HEIGHT = 1.05


class View:
    """How face units map to the pixels of a frame.

    The head is an ellipsoid that turns by shifting what is near the camera: the outline stays
    where it is and the nose moves the most.

    Attributes:
        width: Frame width, pixels.
        height: Frame height, pixels.
        scale: Pixels per face unit.
    """

    def __init__(self, pose: Pose, head_width: float, width: int, height: int) -> None:
        """Fit a head, given half its width in face units, into a frame."""
        self.width = width
        self.height = height
        self.scale = pose.zoom * min(width / _FRAME_HALF_WIDTH, height / _FRAME_HALF_HEIGHT) / 2
        angle = math.radians(pose.roll)
        cosine, sine = math.cos(angle), math.sin(angle)
        self._rotation = np.array([[cosine, -sine], [sine, cosine]])
        self._to_pixels = self.scale * self._rotation.T
        self._centre = np.array([width / 2, height / 2]) + self.scale * np.array(pose.shift)
        self._turn = np.array([[pose.yaw, pose.pitch]])
        self._curvature = np.array([head_width**-2, _HEAD_HEIGHT**-2])

    def turn(self, points: Points) -> Points:
        """Shift points of the face's surface by yaw and pitch, in face units."""
        nearness = np.sqrt(np.maximum(0.0, 1 - points**2 @ self._curvature))
        turned: Points = points + nearness[:, None] * self._turn
        return turned

    def project(self, points: Points) -> Points:
        """Map points of the face's surface to pixels."""
        projected: Points = self.turn(points) @ self._to_pixels + self._centre
        return projected

    def warp(self, texture: Image.Image, low: float, high: float) -> Image.Image:
        """Lay a square texture of the upright, turned face over the frame.

        Args:
            texture: Square image that covers `low` to `high` in x and in y.
            low: Face units at the texture's left and upper edge.
            high: Face units at its right and lower edge.
        """
        cells = texture.width / (high - low)
        inverse = self._rotation.T * (cells / self.scale)
        offset = -inverse @ self._centre - low * cells
        (a, b), (d, e) = inverse.tolist()
        c, f = offset.tolist()
        return texture.transform(
            (self.width, self.height),
            Image.Transform.AFFINE,
            (a, b, c, d, e, f),
            Image.Resampling.BILINEAR,
        )


class Canvas:
    """An RGB image onto which shapes in face units are painted, back to front.

    Attributes:
        image: The picture so far.
        view: How face units map to its pixels.
    """

    def __init__(self, image: Image.Image, view: View) -> None:
        self.image = image
        self.view = view

    def fill(self, outline: Points, paint: Paint, opacity: float = 1.0, blur: float = 0.0) -> None:
        """Paint the inside of an outline.

        Args:
            outline: Closed polygon, face units.
            paint: A colour, or a texture of the canvas's size.
            opacity: 0 (nothing is painted) to 1 (covers what is beneath).
            blur: Standard deviation of the edge's softness, face units.
        """
        stencil = self._stencil(outline, opacity, blur)
        if stencil is not None:
            mask, box = stencil
            self.image.paste(
                paint.crop(box) if isinstance(paint, Image.Image) else paint, box, mask
            )

    def fill_within(self, opening: Points, layers: list[Layer]) -> None:
        """Paint layers, back to front, that only show through an opening, such as an eye's iris."""
        stencil = self._stencil(opening, 1.0, 0.0)
        if stencil is None:
            return
        mask, box = stencil
        behind = Canvas(self.image.copy(), self.view)
        for layer in layers:
            behind.fill(*layer)
        self.image.paste(behind.image.crop(box), box, mask)

    def stroke(
        self, line: Points, width: float, colour: Rgb, opacity: float = 1.0, blur: float = 0.0
    ) -> None:
        """Paint a line that tapers to nothing at both ends.

        Width, at most, and blur are in face units; see `fill`.
        """
        self.fill(ribbon(line, width * _taper(len(line))), colour, opacity, blur)

    def _stencil(
        self, outline: Points, opacity: float, blur: float
    ) -> tuple[Image.Image, tuple[int, int, int, int]] | None:
        """Return the coverage of an outline and where it goes; None if it is not visible."""
        if opacity < 1 / 255:
            return None
        pixels = self.view.project(outline)
        sigma = blur * self.view.scale
        margin = math.ceil(2.5 * sigma) + 1
        (left, top), (right, bottom) = pixels.min(axis=0).tolist(), pixels.max(axis=0).tolist()
        x0, y0 = max(math.floor(left) - margin, 0), max(math.floor(top) - margin, 0)
        x1 = min(math.ceil(right) + margin, self.view.width)
        y1 = min(math.ceil(bottom) + margin, self.view.height)
        if x0 >= x1 or y0 >= y1:
            return None
        # A blurred edge needs no finer sampling than the pixels themselves.
        factor = 1 if sigma > 1.5 else _SUPERSAMPLING
        mask = Image.new("L", ((x1 - x0) * factor, (y1 - y0) * factor))
        vertices = (pixels - (x0, y0)) * factor - 0.5
        ImageDraw.Draw(mask).polygon(vertices.ravel().tolist(), fill=round(255 * min(opacity, 1)))
        if factor > 1:
            mask = mask.reduce(factor)
        if sigma > 0.3:
            mask = mask.filter(ImageFilter.GaussianBlur(sigma))
        return mask, (x0, y0, x1, y1)


@functools.cache
def _taper(count: int) -> NDArray[np.float64]:
    """Return widths that swell from 0 to 1 and back."""
    taper: NDArray[np.float64] = np.sin(np.linspace(0, math.pi, count))
    return taper


def spline(controls: Points, *, closed: bool = False, steps: int = 6) -> Points:
    """Return a Catmull-Rom curve through control points.

    Args:
        controls: Points the curve passes through, shape (n, 2).
        closed: Whether the curve returns to its first point.
        steps: Points drawn per segment.
    """
    if closed:
        padded = np.concatenate([controls[-1:], controls, controls[:2]])
    else:
        padded = np.concatenate([controls[:1], controls, controls[-1:]])
    before, start, end, after = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    segments = np.stack([before, start, end, after], axis=1)
    points: Points = (_spline_weights(steps) @ segments).reshape(-1, 2)
    return points if closed else np.concatenate([points, controls[-1:]])


@functools.cache
def _spline_weights(steps: int) -> NDArray[np.float64]:
    """Return the weights of the four nearest controls at each point of a segment."""
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    powers = np.concatenate([t**0, t, t**2, t**3], axis=1)
    catmull_rom = np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]]) / 2
    weights: NDArray[np.float64] = powers @ catmull_rom
    return weights


def ribbon(line: Points, width: float | NDArray[np.float64]) -> Points:
    """Return the outline of a line with a width, one value or one per point, face units."""
    along = np.empty_like(line)
    along[1:-1] = line[2:] - line[:-2]
    along[0], along[-1] = line[1] - line[0], line[-1] - line[-2]
    half = np.asarray(width) / (2 * np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9))
    offset = along[:, ::-1] * (-1, 1) * half[:, None]
    return np.concatenate([line + offset, (line - offset)[::-1]])


def ring(outline: Points, width: float) -> Points:
    """Return a closed line of a width along an outline, face units."""
    along = np.roll(outline, -1, axis=0) - np.roll(outline, 1, axis=0)
    normal = along[:, ::-1] * (-1, 1) / np.hypot(along[:, 0], along[:, 1])[:, None]
    outer, inner = outline + normal * width / 2, outline - normal * width / 2
    return np.concatenate([outer, outer[:1], inner[:1], inner[::-1]])


_CIRCLE_ANGLES = np.linspace(0, 2 * np.pi, 28, endpoint=False)
_CIRCLE = np.stack([np.cos(_CIRCLE_ANGLES), np.sin(_CIRCLE_ANGLES)], axis=1)


def ellipse(x: float, y: float, rx: float, ry: float) -> Points:
    """Return the outline of an ellipse, face units."""
    return _CIRCLE * (rx, ry) + (x, y)


def moved(points: Points, dx: float, dy: float) -> Points:
    """Return points shifted by (dx, dy), face units."""
    shifted: Points = points + np.array([dx, dy])
    return shifted


def mirrored(points: Points, mirror: int) -> Points:
    """Return points drawn for positive x (mirror +1), or their reflection (mirror -1)."""
    return points * (mirror, 1)


def shaded(colour: Rgb, factor: float) -> Rgb:
    """Return a colour made darker (factor below 1) or lighter."""
    red, green, blue = (min(255, round(channel * factor)) for channel in colour)
    return red, green, blue


def mixed(first: Rgb, second: Rgb, share: float) -> Rgb:
    """Return a blend that holds `share` (0 to 1) of the second colour."""
    red, green, blue = (round(a + share * (b - a)) for a, b in zip(first, second, strict=True))
    return red, green, blue
