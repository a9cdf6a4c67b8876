"""Rows that the tests of the recipes train on, and what the trainers printed where one fails."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from data_prep.cli.main import main as unifer_data
from recipes.tiny_cpu.environment import ENVIRONMENT
from tests.conftest import ONE_THREAD_OFFLINE
from tests.forked import serving
from tests.machine import held_ports
from tests.recipes.trainer import LOADED, PRINTED, Trainers

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
def trainers() -> Iterator[Trainers]:
    """Commands of verl, and workers of ray, without the time that they take to import."""
    with (
        TemporaryDirectory(prefix="verl", dir="/tmp") as folder,
        serving(Path(folder), {**ENVIRONMENT, **ONE_THREAD_OFFLINE}, LOADED) as server,
    ):
        yield Trainers(server)


@pytest.fixture(scope="module")
def ports() -> Iterator[list[int]]:
    """Five ports for servers of a module."""
    with held_ports(5) as held:
        yield held


@pytest.fixture(scope="session")
def drawn_rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SFT and GRPO rows about a few synthetic faces."""
    out = tmp_path_factory.mktemp("drawn") / "rows"
    options = ["--train", "12", "--valid", "4", "--jobs", "1"]
    assert unifer_data(["drawn", "--out", str(out), *options]) == 0
    return out
