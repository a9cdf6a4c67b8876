"""Random faces: any person, in any light, showing a given expression."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from data_prep.synthetic.faces.face import (
    HAIR_STYLES,
    HEADWEAR,
    ActionUnits,
    Camera,
    Face,
    Identity,
    Light,
    Pose,
    Rgb,
)
from unifer_tasks.protocol.action_units import PROTOTYPES

_BEARDED_STYLES = ("bald", "buzz", "short", "quiff", "curly", "afro")

_SKIN_TONES = np.array(
    [
        (238, 210, 190),
        (240, 205, 180),
        (228, 184, 150),
        (208, 158, 120),
        (180, 128, 92),
        (148, 100, 70),
        (122, 82, 60),
        (98, 66, 50),
    ]
)
_HAIR_COLOURS = np.array(
    [
        (28, 24, 24),
        (44, 32, 27),
        (70, 46, 33),
        (104, 70, 45),
        (142, 70, 38),
        (176, 134, 84),
        (206, 172, 118),
    ]
)
_IRIS_COLOURS = np.array(
    [(62, 40, 26), (92, 60, 36), (118, 92, 52), (88, 112, 78), (84, 120, 150), (112, 126, 134)]
)
_GREY_HAIR = np.array((186, 184, 182))

# Co-occurring units that leave the class readable: (unit, probability, low, high).
_EXTRA_UNITS: Mapping[str, tuple[tuple[int, float, float, float], ...]] = {
    "anger": ((17, 0.35, 0.2, 0.6), (10, 0.15, 0.1, 0.3)),
    "contempt": ((4, 0.10, 0.05, 0.15),),
    "disgust": ((10, 0.65, 0.4, 0.9), (4, 0.35, 0.2, 0.5), (17, 0.25, 0.2, 0.5)),
    "fear": ((25, 0.65, 0.3, 0.8),),
    "happiness": ((25, 0.65, 0.4, 1.0), (26, 0.25, 0.1, 0.4)),
    "neutral": (),
    "sadness": ((17, 0.45, 0.3, 0.8),),
    "surprise": ((25, 0.50, 0.2, 0.6),),
}

# Units without which the class cannot be told from its neighbours: never weak or absent.
_CORE_UNITS: Mapping[str, frozenset[int]] = {
    "anger": frozenset({4, 23}),
    "contempt": frozenset({12, 14}),
    "disgust": frozenset({9, 15}),
    "fear": frozenset({1, 4, 5, 20}),
    "happiness": frozenset({12}),
    "neutral": frozenset(),
    "sadness": frozenset({1, 15}),
    "surprise": frozenset({1, 2, 26}),
}

# Units whose strength in this class is not the usual one: raised inner brows must outweigh
# the lowering unit 4, and a frightened mouth is stretched rather than dropped.
_INTENSITY_RANGES: Mapping[tuple[str, int], tuple[float, float]] = {
    ("fear", 1): (0.75, 1.0),
    ("fear", 26): (0.2, 0.55),
    ("sadness", 1): (0.7, 1.0),
    ("surprise", 1): (0.7, 1.0),
}

_USUAL_RANGE = (0.55, 1.0)
_WEAK_RANGE = (0.0, 0.4)
_NEUTRAL_RANGE = (0.0, 0.12)
_WEAK_PROBABILITY = 0.25
_NEUTRAL_UNITS = (1, 2, 4, 5, 6, 7, 12, 15, 17, 25)


def sample_action_units(label: str, rng: np.random.Generator) -> ActionUnits:
    """Draw the action units of one showing of an expression.

    The units of the label's prototype act at 0.55 to 1; of those that do not define the
    class at most one is weak (up to 0.4). Plausible companions join at times. A neutral face
    has a few units at 0.12 or less. Contempt acts on one side, drawn at random.

    Raises:
        ValueError: The label is not canonical; the message names those that are.
    """
    if label not in PROTOTYPES:
        raise ValueError(f"unknown label {label!r}; known: {', '.join(PROTOTYPES)}")
    if label == "neutral":
        stirring = rng.choice(_NEUTRAL_UNITS, size=3, replace=False)
        return ActionUnits({int(unit): float(rng.uniform(*_NEUTRAL_RANGE)) for unit in stirring})

    intensity = {
        unit: float(rng.uniform(*_INTENSITY_RANGES.get((label, unit), _USUAL_RANGE)))
        for unit in PROTOTYPES[label]
    }
    spare = [unit for unit in PROTOTYPES[label] if unit not in _CORE_UNITS[label]]
    if spare and rng.random() < _WEAK_PROBABILITY:
        intensity[int(rng.choice(spare))] = float(rng.uniform(*_WEAK_RANGE))
    for unit, probability, low, high in _EXTRA_UNITS[label]:
        if rng.random() < probability:
            intensity[unit] = float(rng.uniform(low, high))
    if label != "contempt":
        return ActionUnits(intensity)
    return ActionUnits(intensity, side="left" if rng.random() < 0.5 else "right")


def sample_face(label: str, rng: np.random.Generator) -> Face:
    """Draw a face that shows an expression.

    Identity and viewing conditions come from a stream of their own, so that generators in
    the same state give the same person in the same picture for every label. They advance by the
    same amount for every label.

    Raises:
        ValueError: The label is not canonical.
    """
    person_seed, expression_seed = rng.integers(2**63, size=2)
    person = np.random.default_rng(person_seed)
    return Face(
        identity=_sample_identity(person),
        pose=_sample_pose(person),
        light=_sample_light(person),
        background=_sample_background(person),
        camera=_sample_camera(person),
        action_units=sample_action_units(label, np.random.default_rng(expression_seed)),
    )


def _sample_identity(rng: np.random.Generator) -> Identity:
    age = float(rng.beta(1.3, 2.2))
    headwear = str(rng.choice(HEADWEAR, p=(0.84, 0.10, 0.06)))
    hair_style = str(rng.choice(["bald", *HAIR_STYLES]))
    may_be_bearded = hair_style in _BEARDED_STYLES and headwear != "headscarf"
    greying = float(np.clip(rng.normal(1.6 * age - 0.7, 0.2), 0, 1))
    # Fair hair and pale irises go with fair skin, and are the minority there too.
    darkness = float(rng.random())
    fairness = (1 - darkness) * rng.beta(1.0, 1.4, 2)
    natural_hair = _along(_HAIR_COLOURS, fairness[0])
    iris = _along(_IRIS_COLOURS, fairness[1])
    beard, bearded = float(rng.uniform(0.25, 1.0)), bool(rng.random() < 0.5)
    frame, with_glasses = _grey(rng, 25, 110), bool(rng.random() < 0.18)
    freckles, freckled = int(rng.integers(15, 45)), bool(rng.random() < 0.12)
    return Identity(
        skin=_jittered(_along(_SKIN_TONES, darkness), rng, 5),
        age=age,
        head_width=float(rng.uniform(0.70, 0.80)),
        jaw_width=float(rng.uniform(0.74, 0.88)),
        chin_width=float(rng.uniform(0.24, 0.36)),
        eye_colour=_jittered(iris, rng, 8),
        eye_size=float(rng.uniform(0.92, 1.12)),
        eye_spacing=float(rng.uniform(0.295, 0.335)),
        eye_tilt=float(rng.uniform(-0.010, 0.030)),
        brow_thickness=float(rng.uniform(0.7, 1.35)),
        brow_arch=float(rng.uniform(0.7, 1.3)),
        nose_width=float(rng.uniform(0.85, 1.2)),
        nose_length=float(rng.uniform(0.92, 1.08)),
        mouth_width=float(rng.uniform(0.92, 1.10)),
        lip_fullness=float(rng.uniform(0.8, 1.3)),
        lip_redness=float(rng.uniform(0.1, 0.7)),
        hair_style=hair_style,
        hair_colour=_jittered(natural_hair + greying * (_GREY_HAIR - natural_hair), rng, 8),
        headwear=headwear,
        headwear_colour=_colour(rng, 40, 200),
        beard=beard if may_be_bearded and bearded else 0.0,
        glasses=frame if with_glasses else None,
        freckles=freckles if freckled else 0,
        clothing=_colour(rng, 30, 220),
        texture_seed=int(rng.integers(2**32)),
    )


def _sample_pose(rng: np.random.Generator) -> Pose:
    return Pose(
        roll=float(np.clip(rng.normal(0, 5), -12, 12)),
        yaw=float(np.clip(rng.normal(0, 0.05), -0.12, 0.12)),
        pitch=float(np.clip(rng.normal(0, 0.025), -0.05, 0.05)),
        zoom=float(rng.uniform(0.96, 1.12)),
        shift=(float(rng.normal(0, 0.03)), float(rng.normal(0, 0.03))),
    )


def _sample_light(rng: np.random.Generator) -> Light:
    return Light(
        azimuth=float(rng.uniform(-50, 50)),
        elevation=float(rng.uniform(10, 45)),
        strength=float(rng.uniform(0.40, 0.80)),
        warmth=float(rng.uniform(-1, 1)),
    )


def _sample_background(rng: np.random.Generator) -> tuple[tuple[Rgb, ...], ...]:
    cells = int(rng.integers(2, 6))
    base = np.array(_colour(rng, 30, 220))
    spread = rng.uniform(10, 45)
    return tuple(tuple(_jittered(base, rng, spread) for _ in range(cells)) for _ in range(cells))


def _sample_camera(rng: np.random.Generator) -> Camera:
    return Camera(
        blur=float(rng.uniform(0.0, 0.011)),
        noise=float(rng.uniform(0.5, 6.0)),
        exposure=float(rng.uniform(0.90, 1.06)),
        noise_seed=int(rng.integers(2**32)),
    )


def _along(ramp: NDArray[np.float64], position: float) -> NDArray[np.float64]:
    """Return the colour at a position, 0 to 1, of a ramp of colours."""
    stops = np.linspace(0, 1, len(ramp))
    return np.array([np.interp(position, stops, channel) for channel in ramp.T])


def _jittered(colour: NDArray[np.float64], rng: np.random.Generator, spread: float) -> Rgb:
    """Return a colour of another brightness and, a little, another hue."""
    offset = rng.normal(0, spread) + rng.normal(0, 0.3 * spread, 3)
    red, green, blue = np.clip(colour + offset, 0, 255).astype(int).tolist()
    return red, green, blue


def _colour(rng: np.random.Generator, low: int, high: int) -> Rgb:
    """Return a muted colour: every channel lies near a common grey."""
    return _jittered(np.full(3, rng.uniform(low, high)), rng, 50)


def _grey(rng: np.random.Generator, low: int, high: int) -> Rgb:
    level = int(rng.integers(low, high))
    return level, level, level
