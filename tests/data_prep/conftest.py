"""Fixtures of the data builders' tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def votes_folder() -> Path:
    """FERPlus's votes as microsoft/FERPlus has them; the tests that read them skip without."""
    value = os.environ.get("FERPLUS_LABELS")
    if not value:
        pytest.skip("FERPLUS_LABELS names no folder with label_{Train,Valid,Test}.csv")
    return Path(value)
