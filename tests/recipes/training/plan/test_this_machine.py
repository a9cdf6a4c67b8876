"""What is said of a run that is larger than the machine that starts it."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("verl")

import torch

from recipes.training.plan import this_machine
from recipes.training.plan.available import GIB, Memory
from recipes.training.plan.this_machine import fit_notes
from tests.conftest import REPOSITORY
from tests.recipes.training.plan.layouts import settings

_CHECKPOINT = REPOSITORY / "recipes" / "tiny_cpu" / "checkpoint"


class _Gpu:
    def __init__(self, gib: float) -> None:
        self.total_memory = int(gib * GIB)


def _machine(monkeypatch: pytest.MonkeyPatch, *, gpu: float, host: float) -> None:
    memory = Memory(int(host * GIB), int(host * GIB), "the machine's memory")
    monkeypatch.setattr(this_machine, "available_memory", lambda: memory)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu > 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: _Gpu(gpu))


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the setting that names a file of 64 rows."""
    from data_prep.cli.main import main

    out = tmp_path_factory.mktemp("drawn")
    assert main(["drawn", "--train", "64", "--valid", "32", "--out", str(out)]) == 0
    return f"data.train_files={out / 'rlvr' / 'train-00000.parquet'}"


@pytest.mark.parametrize(
    ("size", "gpu", "host", "said"),
    [
        ("3b_1x80gb", 79.2, 256, []),
        # 5 % of the machine's memory are ray's.
        ("3b_1x80gb", 79.2, 125, ["of a node's memory .* there are 118.8; give .*num_workers=1"]),
        ("3b_1x80gb", 40, 256, ["of a GPU's memory .* there are 40.0; give "]),
        ("3b_1x80gb", 0, 8, []),
        ("tiny", 0, 64, []),
        ("tiny", 0, 4, ["of a node's memory .* there are 3.8"]),
    ],
)
def test_what_does_not_fit_is_said_with_what_helps(
    rows: str, monkeypatch: pytest.MonkeyPatch, size: str, gpu: float, host: float, said: list[str]
) -> None:
    _machine(monkeypatch, gpu=gpu, host=host)
    model = [f"actor_rollout_ref.model.path={_CHECKPOINT}"] if size == "tiny" else []
    notes = list(fit_notes(settings("grpo", size, rows, *model)))
    assert len(notes) == len(said)
    for note, pattern in zip(notes, said, strict=True):
        assert re.search(pattern, note), note
        # No change of nothing is among what helps.
        assert "  " not in note


@pytest.mark.parametrize(
    "override",
    ["actor_rollout_ref.model.path=someone/else", f"data.train_files={REPOSITORY / 'README.md'}"],
)
def test_what_cannot_be_planned_is_no_obstacle(
    rows: str, monkeypatch: pytest.MonkeyPatch, override: str
) -> None:
    _machine(monkeypatch, gpu=8, host=8)
    assert list(fit_notes(settings("grpo", "3b", rows, override))) == []
