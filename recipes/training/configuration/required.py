"""The release of verl that the recipes are for: `recipes/REQUIRED_VERL.txt`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

_FILE = Path(__file__).parents[2] / "REQUIRED_VERL.txt"
_LINES = _FILE.read_text(encoding="utf-8").splitlines()

VERL = next(
    line.removeprefix("VERL_VERSION=") for line in _LINES if line.startswith("VERL_VERSION=")
)
"""Its version."""


def verl_configurations() -> Path:
    """Return the folder of verl's configurations, found without the seconds that verl imports."""
    spec = find_spec("verl")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0], "trainer", "config")
