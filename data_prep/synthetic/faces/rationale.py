"""Describe in words what can be seen on a synthetic face."""

from __future__ import annotations

from data_prep.synthetic.faces.face import ONE_SIDED_UNITS, ActionUnits
from unifer_tasks.protocol.action_units import AU_SIGNS

VISIBLE = 0.3
"""Intensity from which a unit counts as visible."""


def rationale(units: ActionUnits) -> str:
    """Return a rationale that names the visible action units, from brow to jaw.

    It is true by construction: it is composed from the parameters that the face was drawn from.
    """
    seen = [unit for unit in AU_SIGNS if units[unit] >= VISIBLE]
    if not seen:
        return "The face is relaxed."
    signs = ", ".join(_sign(unit, units) for unit in seen)
    return f"{signs[0].upper()}{signs[1:]}."


def _sign(unit: int, units: ActionUnits) -> str:
    one_sided = unit in ONE_SIDED_UNITS and units.side != "both"
    return f"{AU_SIGNS[unit]} on one side" if one_sided else AU_SIGNS[unit]
