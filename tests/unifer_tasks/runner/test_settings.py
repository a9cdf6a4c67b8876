from __future__ import annotations

from typing import Any

import pytest

from unifer_tasks.runner.presets import Card, Preset, PresetError
from unifer_tasks.runner.settings import Change, changed, read_change

PRESET = Preset(
    "mine", {"model": "vllm", "model_args": "model=a/b,x=1", "tasks": "ferbench"}, Card("")
)


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("batch_size=8", Change(None, "batch_size", "8")),
        ("mine:batch_size=8", Change("mine", "batch_size", "8")),
        ("model_args.base_url=http://a:1/v1", Change(None, "model_args.base_url", "http://a:1/v1")),
        ("gen_kwargs.until=a=b", Change(None, "gen_kwargs.until", "a=b")),
    ],
)
def test_a_change_is_read(text: str, change: Change) -> None:
    assert read_change(text) == change


@pytest.mark.parametrize("text", ["", "batch_size", "=8", "mine:=8"])
def test_what_is_not_a_change_is_named(text: str) -> None:
    with pytest.raises(PresetError, match="KEY=VALUE"):
        read_change(text)


@pytest.mark.parametrize(
    ("changes", "given", "expected"),
    [
        ([], {}, {}),
        ([], {"tasks": "ferbench_sfew", "limit": None}, {"tasks": "ferbench_sfew"}),
        ([], {"limit": 3}, {"limit": 3}),
        (["batch_size=8"], {}, {"batch_size": 8}),
        (["limit=0.5", "limit=-1"], {"limit": 3}, {"limit": -1}),
        (["other:batch_size=8"], {}, {}),
        (["mine:model_args.x=2"], {}, {"model_args": "model=a/b,x=1,x=2"}),
        (["gen_kwargs.a=1", "gen_kwargs.b=2"], {}, {"gen_kwargs": "a=1,b=2"}),
        (["log_samples=false"], {}, {"log_samples": False}),
    ],
)
def test_changes_reach_the_presets_they_name(
    changes: list[str], given: dict[str, Any], expected: dict[str, Any]
) -> None:
    settings = changed(PRESET, [read_change(text) for text in changes], **given)
    assert settings == {**PRESET.settings, **expected}


def test_lmms_eval_takes_the_last_of_two_arguments() -> None:
    utils = pytest.importorskip("lmms_eval.utils")
    settings = changed(PRESET, [read_change("model_args.x=2")])
    assert utils.simple_parse_args_string(settings["model_args"]) == {"model": "a/b", "x": 2}
