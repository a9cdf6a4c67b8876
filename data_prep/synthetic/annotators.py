"""Annotations of synthetic faces with known ground truth: votes, attributes and intensity.

Attributes are random and independent of the face and its expression: any difference between groups
is chance, or the bias that was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data_prep.synthetic.faces import ActionUnits
from unifer_tasks.data.annotations import ATTRIBUTES, UNSURE, Annotations
from unifer_tasks.protocol.action_units import PROTOTYPES
from unifer_tasks.protocol.labels import canonical, label_space

BIASED = "female"
"""The gender whose expressions are drawn weaker if a bias is requested."""

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "ferplus": ("votes", "votes_other"),
    "rafdb": tuple(ATTRIBUTES),
}
"""Dataset -> the annotation columns that its own archive provides."""

_N_ANNOTATORS = 10
_UNSURE = 0.05
_OTHER = 0.03
_NEUTRAL = 0.8


def columns_of(dataset: str) -> Sequence[str]:
    """Return the annotation columns of a dataset's stand-in."""
    return (*_COLUMNS.get(dataset, ()), "intensity")


def draw_attributes(dataset: str, seed: Sequence[int]) -> Mapping[str, str]:
    """Draw the annotators' impressions of a person; empty if the dataset has none."""
    rng = np.random.default_rng([*seed, 0])
    drawn = {}
    for name, values in ATTRIBUTES.items():
        shares = np.array([_UNSURE if value == UNSURE else 1.0 for value in values])
        drawn[name] = str(rng.choice(values, p=shares / shares.sum()))
    return {name: value for name, value in drawn.items() if name in columns_of(dataset)}


def intensity_of(target: str, units: ActionUnits) -> float | None:
    """Return the mean intensity of the action units of a label's prototype; None if it has none."""
    prototype = PROTOTYPES[canonical(target)]
    return sum(units[unit] for unit in prototype) / len(prototype) if prototype else None


def draw_votes(
    dataset: str, target: str, intensity: float | None, seed: Sequence[int]
) -> tuple[tuple[int, ...], int]:
    """Draw the votes of ten annotators, who agree more for stronger expressions (`intensity_of`).

    Each votes for the target with probability 0.2 + 0.7 * intensity (neutral: 0.8), for none of the
    labels with 0.03, else for any other label. The target then swaps votes with the most voted
    label, since it is the most voted one by definition.

    Returns:
        Votes for each label of the dataset, and for none of them.
    """
    labels = label_space(dataset).labels
    agreeing = _NEUTRAL if intensity is None else 0.2 + 0.7 * intensity
    elsewhere = (1 - agreeing - _OTHER) / (len(labels) - 1)
    chances = [agreeing if label == target else elsewhere for label in labels]
    rng = np.random.default_rng([*seed, 1])
    *votes, others = rng.multinomial(_N_ANNOTATORS, [*chances, _OTHER]).tolist()
    most, chosen = votes.index(max(votes)), labels.index(target)
    votes[most], votes[chosen] = votes[chosen], votes[most]
    return tuple(votes), others


def annotate(
    dataset: str,
    target: str,
    units: ActionUnits,
    attributes: Mapping[str, str],
    seed: Sequence[int],
) -> Annotations:
    """Return the annotations of a face, in its dataset's columns; the seed is that of the votes."""
    intensity = intensity_of(target, units)
    votes, others = draw_votes(dataset, target, intensity, seed)
    values: dict[str, Any] = {
        "votes": votes,
        "votes_other": others,
        "intensity": intensity,
        **attributes,
    }
    return Annotations(**{name: values[name] for name in columns_of(dataset)})
