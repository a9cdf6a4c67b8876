"""The shapes of a face's parts, as its action units move them.

All positions are in face units (see `face`). A part that exists twice is drawn for the half
at positive x and mirrored; `mirror` is +1 for that half and -1 for the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data_prep.synthetic.faces.face import ActionUnits, Face, Identity
from data_prep.synthetic.faces.raster import Points, mirrored, spline

EYE_Y = -0.09
NOSE_BASE_Y = 0.30
MOUTH_Y = 0.58
CHIN_Y = 1.0

# A brow at rest, relative to a point above the eye, from the midline outwards; and what the
# units add to the y, or the x, of each of its points.
_BROW = np.array([(-0.19, -0.01), (-0.08, -0.04), (0.06, -0.058), (0.15, -0.045), (0.24, 0.0)])
_INNER_LIFT = np.array([-0.145, -0.085, -0.02, 0.0, 0.0])
_OUTER_LIFT = np.array([0.0, -0.05, -0.12, -0.14, -0.12])
_LOWERING = np.array([0.12, 0.085, 0.035, 0.0, -0.015])
_WRINKLING = np.array([0.05, 0.035, 0.02, 0.01, 0.0])
_DRAWING_TOGETHER = np.array([-0.055, -0.035, -0.015, 0.0, 0.0])

_LEFT_TO_RIGHT = np.linspace(-1.0, 1.0, 25)


@dataclass(frozen=True, slots=True)
class Eye:
    """One eye.

    Attributes:
        upper: Edge of the upper lid, from the midline outwards.
        lower: Edge of the lower lid, likewise.
        centre: Centre of the iris.
        iris: Radius of the iris.
    """

    upper: Points
    lower: Points
    centre: Points
    iris: float

    @property
    def opening(self) -> Points:
        """The outline between the lids."""
        return np.concatenate([self.upper, self.lower[::-1]])


@dataclass(frozen=True, slots=True)
class Mouth:
    """The lips, each edge from left to right in the image.

    Attributes:
        upper_outer: Border of the upper lip with the skin.
        upper_inner: Border of the upper lip with the opening.
        lower_inner: Border of the lower lip with the opening.
        lower_outer: Border of the lower lip with the skin.
    """

    upper_outer: Points
    upper_inner: Points
    lower_inner: Points
    lower_outer: Points

    @property
    def upper_lip(self) -> Points:
        """Outline of the upper lip."""
        return np.concatenate([self.upper_outer, self.upper_inner[::-1]])

    @property
    def lower_lip(self) -> Points:
        """Outline of the lower lip."""
        return np.concatenate([self.lower_inner, self.lower_outer[::-1]])

    @property
    def opening(self) -> Points:
        """Outline of the gap between the lips."""
        return np.concatenate([self.upper_inner, self.lower_inner[::-1]])

    @property
    def gap(self) -> float:
        """Height of the gap at the middle, face units."""
        middle = len(self.upper_inner) // 2
        return float(self.lower_inner[middle, 1] - self.upper_inner[middle, 1])

    def corner(self, mirror: int) -> Points:
        """Return the mouth's corner on one half of the face."""
        corner: Points = self.upper_inner[-1 if mirror > 0 else 0]
        return corner


def jaw_drop(units: ActionUnits) -> float:
    """Return how far the chin sinks, face units."""
    return 0.15 * units[26] + 0.03 * units[25] - 0.03 * units[17]


def smile(units: ActionUnits) -> float:
    """Return how much the lip corners are pulled up, 0 to 1, on the average of both sides."""
    return 0.5 * (units.on(12, 1) + units.on(12, -1))


def head(face: Face) -> Points:
    """Return the outline of the head without hair and ears."""
    who, sunk = face.identity, jaw_drop(face.action_units)
    half = np.array(
        [
            (0.0, -1.0),
            (0.54 * who.head_width, -0.91),
            (0.90 * who.head_width, -0.60),
            (who.head_width, -0.12),
            (0.95 * who.head_width, 0.28),
            (who.jaw_width * who.head_width, 0.62),
            (who.chin_width, 0.93),
        ]
    )
    half[:, 1] += sunk * np.clip((half[:, 1] - 0.1) / 0.8, 0, 1)
    chin = np.array([[0.0, CHIN_Y + sunk]])
    return spline(np.concatenate([half, chin, mirrored(half[:0:-1], -1)]), closed=True)


def ear(who: Identity, mirror: int) -> Points:
    """Return the outline of an ear."""
    edge = who.head_width
    controls = [(edge - 0.06, -0.2), (edge + 0.07, -0.24), (edge + 0.11, -0.08)]
    controls += [(edge + 0.06, 0.14), (edge - 0.02, 0.24), (edge - 0.07, 0.1)]
    return mirrored(spline(np.array(controls), closed=True), mirror)


def brow(face: Face, mirror: int) -> tuple[Points, NDArray[np.float64]]:
    """Return the centre line of a brow, from the midline outwards, and its width there."""
    who, units = face.identity, face.action_units
    # Depressor and raiser of the inner brow pull against each other: with both, the raiser
    # wins and the brow turns oblique.
    lowered = units[4] * (1 - 0.85 * units[1])
    outer = units[2] * (1 - 0.45 * units[4])
    controls = _BROW * (1, who.brow_arch) + (who.eye_spacing, EYE_Y - 0.185)
    controls[:, 1] += _INNER_LIFT * units[1] + _OUTER_LIFT * outer
    controls[:, 1] += _LOWERING * lowered + _WRINKLING * units[9]
    controls[:, 0] += _DRAWING_TOGETHER * units[4]
    line = spline(controls)
    taper = np.interp(
        np.linspace(0, 1, len(line)), (0, 0.05, 0.2, 0.5, 1), (0.3, 0.75, 1.0, 0.9, 0.15)
    )
    return mirrored(line, mirror), 0.078 * who.brow_thickness * taper


def eye(face: Face, mirror: int) -> Eye:
    """Return the lids and the iris of an eye."""
    who, units = face.identity, face.action_units
    widened, cheeks, tightened = units[5], units[6], units[7]
    half_width = 0.158 * who.eye_size
    above = 0.083 * who.eye_size + 0.080 * widened * (1 - 0.25 * tightened)
    above -= 0.022 * cheeks + 0.020 * tightened + 0.012 * units[4] + 0.022 * units[9]
    below = 0.060 * who.eye_size + 0.012 * widened
    below -= 0.048 * cheeks + 0.034 * tightened + 0.022 * units[9] + 0.008 * units.on(12, mirror)
    # A raised inner brow draws the inner part of the upper lid up and lets the outer droop.
    slant = 0.45 * units[1] * (1 - units[2])
    outwards = _LEFT_TO_RIGHT
    corners = -who.eye_tilt * outwards + 0.028 * slant * outwards
    dome = (1 - outwards**2) ** 0.62
    upper = corners - above * dome * (1 - (0.10 + 0.35 * slant) * outwards)
    lower = corners + below * dome * (1 + 0.15 * outwards)
    x = who.eye_spacing + half_width * outwards
    return Eye(
        upper=mirrored(np.stack([x, EYE_Y + upper], axis=1), mirror),
        lower=mirrored(np.stack([x, EYE_Y + lower], axis=1), mirror),
        centre=mirrored(np.array([who.eye_spacing - 0.004, EYE_Y - 0.012]), mirror),
        iris=0.082 * who.eye_size,
    )


def nose_base(face: Face) -> float:
    """Return the y of the nostrils; wrinkling the nose and raising the lip lift them."""
    units = face.action_units
    return NOSE_BASE_Y * face.identity.nose_length - 0.05 * units[9] - 0.02 * units[10]


def nose_half_width(face: Face) -> float:
    """Return the half width of the nose at its wings, face units."""
    units = face.action_units
    return 0.135 * face.identity.nose_width * (1 + 0.22 * units[9] + 0.10 * smile(units))


def mouth(face: Face) -> Mouth:
    """Return the edges of the lips."""
    who, units = face.identity, face.action_units
    left, right = _mouth_corner(face, -1), _mouth_corner(face, +1)
    pull = smile(units)
    middle_x = 0.25 * (left[0] + right[0])
    middle_y = MOUTH_Y + 0.025 * pull - 0.05 * units[17] - 0.035 * units[10] - 0.03 * units[15]
    middle_y -= 0.02 * units[9]

    t = _LEFT_TO_RIGHT
    outwards = np.abs(t)
    corner_x, corner_y = np.where(t < 0, left[:, None], right[:, None])
    x = middle_x + (corner_x - middle_x) * outwards
    closed = middle_y + (corner_y - middle_y) * outwards**1.8

    thin = (1 - 0.62 * units[23]) * (1 - 0.30 * units[20]) * (1 - 0.25 * pull)
    above, below = _lip_parting(units)
    rim = (1 - t**2) ** 0.55
    upper_inner = closed - above * rim
    lower_inner = closed + below * rim
    bow = (1 - t**2) ** 0.75 * (1 + 0.22 * np.exp(-(((outwards - 0.27) / 0.16) ** 2)))
    bow -= 0.16 * np.exp(-((t / 0.13) ** 2))
    upper_outer = upper_inner - (0.062 * who.lip_fullness * thin + 0.012 * units[10]) * bow
    plump = 0.082 * who.lip_fullness * thin * (1 + 0.15 * units[16] + 0.25 * units[17])
    lower_outer = lower_inner + plump * (1 - t**2) ** 0.65
    edges = (upper_outer, upper_inner, lower_inner, lower_outer)
    return Mouth(*(np.stack([x, edge], axis=1) for edge in edges))


def _mouth_corner(face: Face, mirror: int) -> Points:
    units = face.action_units
    pulled, dimpled = units.on(12, mirror), units.on(14, mirror)
    x = 0.255 * face.identity.mouth_width
    x += 0.085 * pulled + 0.035 * dimpled + 0.105 * units[20] + 0.015 * units[15]
    x -= 0.055 * units[23] + 0.070 * units[26] * (1 - 0.7 * units[20]) + 0.030 * units[17]
    y = MOUTH_Y - 0.012 - 0.140 * pulled - 0.070 * dimpled + 0.115 * units[15] + 0.045 * units[20]
    y += 0.25 * jaw_drop(units)
    return np.array([mirror * x, y])


def _lip_parting(units: ActionUnits) -> tuple[float, float]:
    """Return how far the upper and the lower lip leave the closed mouth's line."""
    pull = smile(units)
    pressed = 1 - 0.6 * units[23]
    above = (0.030 + 0.020 * pull) * units[25] + 0.035 * units[26] + 0.022 * units[10]
    below = (0.030 + 0.075 * pull) * units[25] + 0.250 * units[26] + 0.055 * units[16]
    return above * pressed, below * pressed
