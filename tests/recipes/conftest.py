"""Rows that the tests of the recipes train on, and what the trainers printed where one fails."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from data_prep.cli.main import main as unifer_data
from tests.recipes.trainer import PRINTED

TRAINED = ("training", "cluster")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the trainers printed last where a test of what they left fails."""
    report = yield
    if report.failed and any(item.get_closest_marker(name) for name in TRAINED):
        report.sections += [("Printed by a trainer", text) for text in PRINTED]
    return report


@pytest.fixture(scope="session")
def drawn_rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SFT and GRPO rows about a few synthetic faces."""
    out = tmp_path_factory.mktemp("drawn") / "rows"
    options = ["--train", "12", "--valid", "4", "--jobs", "1"]
    assert unifer_data(["drawn", "--out", str(out), *options]) == 0
    return out
