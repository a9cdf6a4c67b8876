"""Skin, hair and cloth in the lamp's light: textures to paint a face with.

A texture is computed on a coarse grid of the upright face and then laid over the frame;
shading is smooth, so that the grid need not be as fine as the picture.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from data_prep.synthetic.faces import contours
from data_prep.synthetic.faces.contours import EYE_Y, Mouth
from data_prep.synthetic.faces.face import MIRRORS, Face, Rgb
from data_prep.synthetic.faces.raster import View, shaded

_LOW, _HIGH, _CELLS = -1.7, 1.7, 136
_AXIS = np.linspace(_LOW, _HIGH, _CELLS, dtype=np.float32)
_TOWARD_CAMERA = np.array([0, 0, 1], dtype=np.float32)

_Bump = tuple[float, float, float, float, float]
"""A Gaussian on the face: centre x and y, standard deviations in x and y, height."""


_HAIR_RELIEF: list[_Bump] = [(0.0, -0.9, 0.5, 0.3, 0.10)]


class Materials:
    """The textures of one face, each an RGB image of the frame's size.

    Attributes:
        line: Colour of lines on the skin.
        shadow: Colour of soft shadows on the skin.
    """

    def __init__(self, face: Face, view: View, mouth: Mouth) -> None:
        """Prepare the textures; each is computed when it is first asked for."""
        self._face = face
        self._who = face.identity
        self._units = face.action_units
        self._view = view
        self._mouth = mouth
        self.line = shaded(face.identity.skin, 0.36)
        self.shadow = shaded(face.identity.skin, 0.55)

    @functools.cached_property
    def skin(self) -> Image.Image:
        """Skin: the relief of the face, its hollows and its blush."""
        return self._warped(self._skin_texture())

    @functools.cached_property
    def hair(self) -> Image.Image:
        """Hair and beard."""
        return self._warped(self._strand_texture(self._who.hair_colour))

    def cloth(self, colour: Rgb) -> Image.Image:
        """Return cloth of a colour, lit as a dome over the head."""
        diffuse, _ = self._lambert(_HAIR_RELIEF)
        return self._warped(diffuse[..., None] * self._tinted(colour))

    def _warped(self, texture: NDArray[np.float32]) -> Image.Image:
        image = Image.fromarray(np.clip(texture, 0, 255).astype(np.uint8))
        return self._view.warp(image, _LOW, _HIGH)

    def _gaussians(self, bumps: list[_Bump]) -> tuple[NDArray[np.float32], ...]:
        """Return the factors of turned Gaussians: x and y profiles, and their slopes.

        A sum of Gaussians that are separable in x and y is one matrix product of these,
        which is what makes the relief affordable.
        """
        x, y, rx, ry, height = np.array(bumps, dtype=np.float32).T[..., None]
        centre = self._view.turn(np.concatenate([x, y], axis=1))
        across = (_AXIS - centre[:, :1].astype(np.float32)) / rx
        down = (_AXIS - centre[:, 1:].astype(np.float32)) / ry
        profile_x, profile_y = np.exp(-0.5 * across**2), height * np.exp(-0.5 * down**2)
        return profile_x, profile_y, -across / rx * profile_x, -down / ry * profile_y

    def _field(self, bumps: list[_Bump]) -> NDArray[np.float32]:
        profile_x, profile_y, _, _ = self._gaussians(bumps)
        field: NDArray[np.float32] = profile_y.T @ profile_x
        return field

    def _lambert(self, bumps: list[_Bump]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return diffuse light, about 1 on the average, and a highlight, 0 to 1."""
        profile_x, profile_y, slope_x, slope_y = self._gaussians(bumps)
        # Beneath the bumps lies the head: a dome that falls off towards its outline.
        x = _AXIS[None, :] / np.float32(self._who.head_width)
        y = _AXIS[:, None] / np.float32(1.05)
        steep = np.minimum(0.30 + 0.85 * (x**2 + y**2), 1.3)
        normal_x = steep * x - profile_y.T @ slope_x
        normal_y = 0.8 * steep * y - slope_y.T @ profile_x
        length = np.sqrt(normal_x**2 + normal_y**2 + 1)
        toward_lamp = self._toward_lamp()
        between = toward_lamp + _TOWARD_CAMERA
        between /= np.linalg.norm(between)

        def cosine(direction: NDArray[np.float32]) -> NDArray[np.float32]:
            x, y, z = direction
            facing: NDArray[np.float32] = (normal_x * x + normal_y * y + z) / length
            return np.maximum(facing, 0)

        strength = np.float32(0.75 * self._face.light.strength)
        return 1 + strength * (1.25 * cosine(toward_lamp) - 0.91), cosine(between) ** 24

    def _toward_lamp(self) -> NDArray[np.float32]:
        light = self._face.light
        azimuth, elevation = math.radians(light.azimuth), math.radians(light.elevation)
        across, depth = math.sin(azimuth), math.cos(azimuth)
        level = math.cos(elevation)
        return np.array([across * level, -math.sin(elevation), depth * level], dtype=np.float32)

    def _tinted(self, colour: Rgb) -> NDArray[np.float32]:
        warmth = np.float32(0.04 * self._face.light.warmth)
        tint = np.array([1 + warmth, 1, 1 - warmth], dtype=np.float32)
        return np.array(colour, dtype=np.float32) * tint

    def _skin_texture(self) -> NDArray[np.float32]:
        diffuse, gleam = self._lambert(self._skin_relief())
        diffuse *= 1 - np.minimum(self._field(self._skin_hollows()), 0.6)
        blush = self._field(self._skin_blush())
        # Light that scatters in skin comes back red: shadows lose blue first.
        channels = [
            channel * diffuse**falloff * (1 - pallor * blush) + 32 * gleam
            for channel, falloff, pallor in zip(
                self._tinted(self._who.skin), (0.88, 1.05, 1.12), (0.0, 1.0, 0.9), strict=True
            )
        ]
        return np.stack(channels, axis=-1)

    def _skin_relief(self) -> list[_Bump]:
        """Return what rises from the head's dome, and sinks into it."""
        units, mouth = self._units, self._mouth
        base, wing = contours.nose_base(self._face), contours.nose_half_width(self._face)
        brow_lift = -0.06 * (units[1] + units[2]) + 0.05 * units[4]
        sunk = contours.jaw_drop(units)
        middle = len(mouth.upper_outer) // 2
        upper, lower = mouth.upper_outer[middle, 1], mouth.lower_outer[middle, 1]
        relief: list[_Bump] = [
            (0.0, -0.60, 0.40, 0.22, 0.06),
            (0.0, base - 0.24, 0.056, 0.15, 0.085),
            (0.0, base - 0.065, 0.075, 0.065, 0.13),
            (0.0, upper - 0.08, 0.03, 0.05, -0.014),
            (0.0, lower + 0.07, 0.15, 0.045, -0.035),
            (0.0, 0.87 + sunk, 0.15, 0.10, 0.055 + 0.025 * units[17]),
        ]
        for mirror in MIRRORS:
            smile = units.on(12, mirror)
            apple = 0.065 + 0.055 * units[6] + 0.055 * smile
            corner_x, corner_y = mouth.corner(mirror).tolist()
            relief += [
                (mirror * self._who.eye_spacing, -0.30 + brow_lift, 0.20, 0.07, 0.050),
                (mirror * self._who.eye_spacing, EYE_Y, 0.17, 0.10, -0.055),
                (mirror * 0.40, 0.24 - 0.06 * units[6] - 0.04 * smile, 0.16, 0.13, apple),
                (mirror * wing * 0.78, base - 0.035, 0.042, 0.045, 0.060),
                (corner_x + mirror * 0.04, corner_y, 0.05, 0.06, -0.03),
            ]
        return relief

    def _skin_hollows(self) -> list[_Bump]:
        """Return where surroundings keep light away, with the share of it that is lost."""
        units = self._units
        base = contours.nose_base(self._face)
        middle = len(self._mouth.lower_outer) // 2
        below_lip = float(self._mouth.lower_outer[middle, 1]) + 0.045
        hollows: list[_Bump] = [
            (0.0, base + 0.045, 0.10, 0.035, 0.22),
            (0.0, below_lip, 0.12, 0.030, 0.22 + 0.15 * units[17]),
            (0.0, EYE_Y - 0.06, 0.06, 0.10, 0.10 + 0.14 * units[4] + 0.16 * units[9]),
        ]
        for mirror in MIRRORS:
            x = mirror * self._who.eye_spacing
            hollows += [
                (x - mirror * 0.10, EYE_Y - 0.03, 0.08, 0.07, 0.15 + 0.12 * units[4]),
                (x, EYE_Y - 0.10, 0.14, 0.05, 0.12 + 0.12 * units[4]),
                (x, EYE_Y + 0.12, 0.12, 0.035, 0.08 + 0.08 * self._who.age + 0.08 * units[7]),
            ]
        return hollows

    def _skin_blush(self) -> list[_Bump]:
        flush = 0.10 + 0.06 * self._units[6]
        cheeks = [(mirror * 0.42, 0.26, 0.15, 0.12, flush) for mirror in MIRRORS]
        return [*cheeks, (0.0, contours.nose_base(self._face) - 0.06, 0.08, 0.07, 0.10)]

    def _strand_texture(self, colour: Rgb) -> NDArray[np.float32]:
        """Return hair: strands that run down from the crown, lit as a dome."""
        diffuse, gleam = self._lambert(_HAIR_RELIEF)
        rng = np.random.default_rng(self._who.texture_seed)
        tufts = rng.uniform(0.72, 1.22, 140)
        parting = rng.uniform(-0.3, 0.3)
        x, y = _AXIS[None, :] - parting, _AXIS[:, None] + 1.25
        angle = np.arctan2(x, y) + 0.12 * np.sin(5 * _AXIS[:, None])
        strands = np.interp(angle, np.linspace(-3.5, 3.5, len(tufts)), tufts).astype(np.float32)
        matt: NDArray[np.float32] = (diffuse * strands)[..., None] * self._tinted(colour)
        glossy: NDArray[np.float32] = matt + 34 * (gleam * strands)[..., None]
        return glossy
