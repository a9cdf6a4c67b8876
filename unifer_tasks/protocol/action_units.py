"""Facial action units (AUs) and the expressions they compose.

AU names follow Ekman, Friesen and Hager, *Facial Action Coding System* (2002). The
prototypes follow EMFACS (Friesen and Ekman, 1983); a face that shows an expression need not
show every unit of its prototype, and a posed prototype is rarer than photographs suggest.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

AU_NAMES: Mapping[int, str] = MappingProxyType(
    {
        1: "inner brow raiser",
        2: "outer brow raiser",
        4: "brow lowerer",
        5: "upper lid raiser",
        6: "cheek raiser",
        7: "lid tightener",
        9: "nose wrinkler",
        10: "upper lip raiser",
        12: "lip corner puller",
        14: "dimpler",
        15: "lip corner depressor",
        16: "lower lip depressor",
        17: "chin raiser",
        20: "lip stretcher",
        23: "lip tightener",
        25: "lips part",
        26: "jaw drop",
    }
)

AU_SIGNS: Mapping[int, str] = MappingProxyType(
    {
        1: "inner brows raised",
        2: "outer brows raised",
        4: "brows lowered",
        5: "upper lids raised",
        6: "cheeks raised",
        7: "lids tightened",
        9: "nose wrinkled",
        10: "upper lip raised",
        12: "lip corners pulled up",
        14: "lip corners dimpled",
        15: "lip corners pulled down",
        16: "lower lip pulled down",
        17: "chin raised",
        20: "lips stretched",
        23: "lips tightened",
        25: "lips parted",
        26: "jaw dropped",
    }
)
"""AU -> what it does to the face, as a rationale would say it; `reasoning` reads each back."""

PROTOTYPES: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "anger": (4, 5, 7, 23),
        "contempt": (12, 14),
        "disgust": (9, 15, 16),
        "fear": (1, 2, 4, 5, 7, 20, 26),
        "happiness": (6, 12),
        "neutral": (),
        "sadness": (1, 4, 15),
        "surprise": (1, 2, 5, 26),
    }
)
"""Canonical label -> the AUs of its prototype; contempt's two are on one side only."""
