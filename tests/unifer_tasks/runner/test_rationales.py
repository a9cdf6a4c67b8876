"""`ferbench run --with rationale`: the base first, then answers forced after its rationales."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from unifer_tasks.cli import run
from unifer_tasks.data.predictions import PredictionError
from unifer_tasks.runner import rationales
from unifer_tasks.runner.jobs import Job
from unifer_tasks.runner.presets import find_presets, model_arguments

PRESET = """
[preset.mine]
base = "unifer"
title = "Mine"
model_args.pretrained = "m"
"""


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """Note tasks and rationales of what would be run; after the base its answers are at hand."""
    done: list[tuple[str, Any]] = []

    def run_all(jobs: Sequence[Job], *_: Any) -> int:
        done.extend(
            (job.settings["tasks"], model_arguments(job.settings).get("rationales")) for job in jobs
        )
        return 0

    def check(source: str, pretrained: str, asked: dict[str, int]) -> None:
        assert (pretrained, asked) == ("m", {"ferbench_rationale_sfew": 14})
        if not done:
            raise PredictionError(f"{source} is not there")

    monkeypatch.setattr(run, "_run_all", run_all)
    monkeypatch.setattr(rationales, "check_rationales", check)
    return done


def start(
    tmp_path: Path, additions: Sequence[str], changes: Sequence[str] = (), preset: str = PRESET
) -> int:
    path = tmp_path / "mine.toml"
    path.write_text(preset)
    return run.run_presets(
        find_presets([str(path)]), tmp_path / "out", tasks="ferbench_sfew", additions=additions,
        changes=changes,
    )  # fmt: skip


def test_the_base_is_run_first_and_once(
    ran: list[tuple[str, Any]], stand_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FERBENCH_DATA", str(stand_in))
    own = str(tmp_path / "out" / "mine" / "results")
    both = "ferbench_sfew,ferbench_ranked_sfew,ferbench_rationale_sfew"
    assert start(tmp_path, ["ranked", "rationale"]) == 0
    assert ran == [("ferbench_sfew,ferbench_ranked_sfew", None), (both, own)]
    assert start(tmp_path, ["ranked", "rationale"]) == 0
    assert ran[2:] == [(both, own)]


def test_rationales_that_are_named_are_taken(
    ran: list[tuple[str, Any]], stand_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FERBENCH_DATA", str(stand_in))
    assert start(tmp_path, ["rationale"], ["model_args.rationales=earlier"]) == 0
    assert ran == [("ferbench_sfew,ferbench_rationale_sfew", "earlier")]


def test_a_log_that_is_replayed_has_its_forced_answers(
    ran: list[tuple[str, Any]], stand_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FERBENCH_DATA", str(stand_in))
    replayed = '[preset.mine]\nbase = "every"\nmodel = "replay"\ntitle = "Mine"\n'
    assert start(tmp_path, ["rationale"], preset=replayed) == 0
    assert ran == [("ferbench_sfew,ferbench_rationale_sfew", None)]


def test_without_forced_answers_nothing_is_added(
    ran: list[tuple[str, Any]], stand_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FERBENCH_DATA", str(stand_in))
    assert start(tmp_path, ["ranked"]) == 0
    assert ran == [("ferbench_sfew,ferbench_ranked_sfew", None)]
