"""Rows that the tests of the recipes train on."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_prep.cli.main import main as unifer_data


@pytest.fixture(scope="session")
def drawn_rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SFT and GRPO rows about a few synthetic faces."""
    out = tmp_path_factory.mktemp("drawn") / "rows"
    options = ["--train", "12", "--valid", "4", "--jobs", "1"]
    assert unifer_data(["drawn", "--out", str(out), *options]) == 0
    return out
