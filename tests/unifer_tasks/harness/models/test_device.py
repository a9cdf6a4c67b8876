"""Which device a model is loaded to, whatever lmms-eval's command line took."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

pytest.importorskip("lmms_eval")

import torch

from unifer_tasks.harness.models.unifer import _device
from unifer_tasks.harness.options import OptionError


@dataclass
class Accelerator:
    """What is asked of accelerate's."""

    device: torch.device
    num_processes: int = 1


@pytest.mark.parametrize(
    ("asked", "own", "processes", "expected"),
    [
        (None, "cpu", 1, "cpu"),
        (None, "cuda:1", 2, "cuda:1"),
        ("cpu", "cuda", 1, "cpu"),
        ("cpu", "cpu", 2, "cpu"),
        ("cuda:1", "cuda", 1, "cuda:1"),
        ("cuda", "cuda:1", 2, "cuda"),
        ("cuda:1", "cuda:1", 2, "cuda:1"),
    ],
)
def test_the_device_is_what_is_asked_for(
    asked: str | None, own: str, processes: int, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    found = _device(asked, Accelerator(torch.device(own), processes))
    assert found == torch.device(expected)


@pytest.mark.parametrize(
    ("asked", "own", "processes", "message"),
    [
        ("gpu", "cpu", 1, "device=gpu is not a device"),
        ("cuda:2", "cuda", 1, "device=cuda:2 is not there: torch sees 2 CUDA devices"),
        ("cpu", "cuda:0", 2, "device=cpu cannot serve 2 processes"),
        ("cuda:1", "cuda:0", 2, "device=cuda:1 cannot serve 2 processes"),
        ("cuda", "cpu", 2, "device=cuda cannot serve 2 processes"),
    ],
)
def test_a_device_that_cannot_serve_is_refused(
    asked: str, own: str, processes: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(OptionError, match=message):
        _device(asked, Accelerator(torch.device(own), processes))
