"""The parameters of a synthetic face: an identity, its action units, and how it is seen.

`contours` turns them into shapes and `paint` into pixels.
Lengths are in *face units*: the head's centre is the origin, its crown is near y = -1 and its
chin near y = +1, x grows to the right of the image and y downwards. The viewed person's left
is therefore at positive x.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from unifer_tasks.protocol.action_units import AU_NAMES

Rgb = tuple[int, int, int]
Side = Literal["both", "left", "right"]

MIRRORS = (-1, 1)
"""The halves of a face: at negative x and at positive x."""

ONE_SIDED_UNITS = (12, 14)
"""The units that `ActionUnits.side` can confine to one half of the face."""


@dataclass(frozen=True, slots=True)
class ActionUnits:
    """How strongly each facial muscle group acts.

    Attributes:
        intensity: Action unit number -> intensity, 0 (rest) to 1 (maximum). A unit that is
            missing is at rest.
        side: The side, the viewed person's own, on which units 12 and 14 act. The others
            always act on both.

    Raises:
        ValueError: A unit is not in `AU_NAMES`, or an intensity is outside [0, 1].
    """

    intensity: Mapping[int, float]
    side: Side = "both"

    def __post_init__(self) -> None:
        unknown = sorted(set(self.intensity) - set(AU_NAMES))
        if unknown:
            raise ValueError(f"unknown action units {unknown}; known: {sorted(AU_NAMES)}")
        outside = {unit: value for unit, value in self.intensity.items() if not 0 <= value <= 1}
        if outside:
            raise ValueError(f"intensities outside [0, 1]: {outside}")

    def __getitem__(self, unit: int) -> float:
        """Return a unit's intensity, 0 to 1, whichever side it acts on."""
        return self.intensity.get(unit, 0.0)

    def on(self, unit: int, mirror: int) -> float:
        """Return a unit's intensity on one half of the face.

        Args:
            unit: Action unit number.
            mirror: +1 for the half at positive x (the person's left), -1 for the other.
        """
        acting_half = {"both": mirror, "left": 1, "right": -1}[self.side]
        silent = unit in ONE_SIDED_UNITS and acting_half != mirror
        return 0.0 if silent else self[unit]


@dataclass(frozen=True, slots=True)
class HairStyle:
    """The silhouette of a head of hair.

    Attributes:
        top: Height above the crown, face units.
        side: Width beyond the temples, face units.
        front_to: Lowest y of the hair in front of the ears.
        back_to: Lowest y of the hair behind the neck; below `front_to` only if there is any.
        hairline: y of the hairline at the middle of the forehead.
        curls: Number of curls along the silhouette; 0 for a smooth one.
        bun: Whether a bun sits on the crown.
    """

    top: float
    side: float
    front_to: float
    back_to: float
    hairline: float = -0.68
    curls: int = 0
    bun: bool = False


HAIR_STYLES: Mapping[str, HairStyle] = {
    "buzz": HairStyle(top=0.03, side=0.01, front_to=-0.20, back_to=-0.5, hairline=-0.72),
    "short": HairStyle(top=0.13, side=0.05, front_to=-0.08, back_to=-0.5),
    "quiff": HairStyle(top=0.25, side=0.04, front_to=-0.12, back_to=-0.5, hairline=-0.72),
    "fringe": HairStyle(top=0.15, side=0.10, front_to=0.05, back_to=-0.5, hairline=-0.56),
    "bun": HairStyle(top=0.07, side=0.03, front_to=-0.10, back_to=-0.5, bun=True),
    "bob": HairStyle(top=0.14, side=0.17, front_to=0.62, back_to=0.75),
    "long": HairStyle(top=0.12, side=0.16, front_to=1.35, back_to=1.6),
    "curly": HairStyle(top=0.24, side=0.24, front_to=0.20, back_to=0.50, curls=17),
    "curly long": HairStyle(top=0.20, side=0.30, front_to=0.90, back_to=1.20, curls=19),
    "afro": HairStyle(top=0.38, side=0.38, front_to=-0.02, back_to=0.30, curls=29),
}

HEADWEAR = ("none", "headscarf", "beanie")


@dataclass(frozen=True, slots=True)
class Identity:
    """The person: everything that an expression leaves unchanged.

    Scales are relative to the average person (1.0).

    Attributes:
        skin: Skin colour in even light.
        age: 0 (young) to 1 (old): resting lines and greying.
        head_width: Half width at the cheekbones, face units.
        jaw_width: Jaw width relative to the cheekbones.
        chin_width: Half width of the chin, face units.
        eye_colour: Iris colour.
        eye_size: Scale of the eyes.
        eye_spacing: Distance of an eye's centre from the midline, face units.
        eye_tilt: Rise of the outer eye corner over the inner one, face units.
        brow_thickness: Scale of the brows.
        brow_arch: Scale of the brows' arch.
        nose_width: Scale of the nose's width.
        nose_length: Scale of the nose's length.
        mouth_width: Scale of the mouth's width at rest.
        lip_fullness: Scale of the lips' thickness.
        lip_redness: 0 (skin-like) to 1 (painted).
        hair_style: "bald" or a key of `HAIR_STYLES`.
        hair_colour: Colour of hair, brows and beard.
        headwear: One of `HEADWEAR`.
        headwear_colour: Its colour, unused without headwear.
        beard: 0 (shaven) to 1 (full beard).
        glasses: Frame colour, or None.
        freckles: Number of freckles.
        clothing: Colour of the clothes.
        texture_seed: Seed of hair strands and freckle positions.
    """

    skin: Rgb
    age: float
    head_width: float
    jaw_width: float
    chin_width: float
    eye_colour: Rgb
    eye_size: float
    eye_spacing: float
    eye_tilt: float
    brow_thickness: float
    brow_arch: float
    nose_width: float
    nose_length: float
    mouth_width: float
    lip_fullness: float
    lip_redness: float
    hair_style: str
    hair_colour: Rgb
    headwear: str
    headwear_colour: Rgb
    beard: float
    glasses: Rgb | None
    freckles: int
    clothing: Rgb
    texture_seed: int


@dataclass(frozen=True, slots=True)
class Pose:
    """The position and rotation of the head.

    Attributes:
        roll: Rotation in the image plane, degrees, clockwise.
        yaw: Shift of the nearest point of the face to the right, face units.
        pitch: Shift of the nearest point of the face downwards, face units.
        zoom: Scale of the head in the frame.
        shift: Offset of the head from the frame's centre, face units (x, y).
    """

    roll: float
    yaw: float
    pitch: float
    zoom: float
    shift: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Light:
    """One soft lamp, and how dark the shade is.

    Attributes:
        azimuth: Degrees from the camera, positive from the right of the image.
        elevation: Degrees above the camera.
        strength: 0 (flat light) to 1 (no light in the shade).
        warmth: -1 (bluish) to 1 (reddish).
    """

    azimuth: float
    elevation: float
    strength: float
    warmth: float


@dataclass(frozen=True, slots=True)
class Camera:
    """What the camera adds to the scene.

    Attributes:
        blur: Standard deviation of the defocus, face units.
        noise: Standard deviation of the sensor noise, grey levels of 255.
        exposure: Factor on the brightness.
        noise_seed: Seed of the sensor noise.
    """

    blur: float
    noise: float
    exposure: float
    noise_seed: int


@dataclass(frozen=True, slots=True)
class Face:
    """Everything that `paint` needs; equal faces give equal pixels.

    Attributes:
        identity: Who.
        action_units: The expression.
        pose: Position and turn of the head.
        light: The lamp.
        background: Rows of colours, smoothly interpolated over the frame.
        camera: Blur, noise and exposure.
    """

    identity: Identity
    action_units: ActionUnits
    pose: Pose
    light: Light
    background: tuple[tuple[Rgb, ...], ...]
    camera: Camera
