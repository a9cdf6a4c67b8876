"""When the model `unifer` loads its weights."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("lmms_eval")

from lmms_eval.evaluator import simple_evaluate
from lmms_eval.tasks import TaskManager

from unifer_tasks.data.manifest import DATA_VARIABLE, DataError
from unifer_tasks.harness.models import unifer
from unifer_tasks.harness.plugin import TASKS_FOLDER


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record what is loaded."""
    names: list[str] = []

    def load(pretrained: str, **options: object) -> SimpleNamespace:
        names.append(pretrained)
        return SimpleNamespace(config="a config")

    monkeypatch.setattr(unifer, "_load", load)
    return names


def test_data_is_missed_before_weights_are_loaded(
    seeing_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loaded: list[str]
) -> None:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "none"))
    with pytest.raises(DataError, match="is no"):
        simple_evaluate(
            model="unifer",
            model_args=f"pretrained={seeing_model},device=cpu",
            tasks=["ferbench_sfew"],
            task_manager=TaskManager(include_path=str(TASKS_FOLDER), include_defaults=False),
        )
    assert loaded == []


def test_weights_are_loaded_once(seeing_model: Path, loaded: list[str]) -> None:
    model = unifer.UniFER(str(seeing_model), device="cpu")
    assert loaded == []
    assert model.config == "a config"
    assert model.generate_until([]) == []
    assert loaded == [str(seeing_model)]
