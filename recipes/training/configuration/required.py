"""The release of verl that the recipes are for: `recipes/REQUIRED_VERL.txt`."""

from __future__ import annotations

from pathlib import Path

_FILE = Path(__file__).parents[2] / "REQUIRED_VERL.txt"
_LINES = _FILE.read_text(encoding="utf-8").splitlines()

VERL = next(
    line.removeprefix("VERL_VERSION=") for line in _LINES if line.startswith("VERL_VERSION=")
)
"""Its version."""
