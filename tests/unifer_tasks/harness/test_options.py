"""Options that cannot be used are refused before anything is loaded, in one sentence."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from unifer_tasks.data.manifest import DATA_VARIABLE
from unifer_tasks.runner.presets import shipped
from unifer_tasks.support.extras import MissingModuleError

pytest.importorskip("lmms_eval")

from lmms_eval.models import get_model
from loguru import logger

from unifer_tasks.harness import options
from unifer_tasks.harness.models.our_model import OurModel
from unifer_tasks.harness.options import OptionError, check_run

Parse = Callable[..., argparse.Namespace]


@pytest.fixture
def parse(stand_in: Path, monkeypatch: pytest.MonkeyPatch) -> Parse:
    """lmms-eval's own parser, where there is data."""
    from lmms_eval.__main__ import parse_eval_args

    monkeypatch.setenv(DATA_VARIABLE, str(stand_in))

    def run(*words: str) -> argparse.Namespace:
        monkeypatch.setattr(sys, "argv", ["lmms-eval", *words])
        options: argparse.Namespace = parse_eval_args()[1]
        return options

    return run


QWEN = ("--model", "qwen2_5_vl", "--model_args", "pretrained=X")
UNIFER = ("--model", "unifer", "--tasks", "ferbench", "--model_args", "pretrained=X")


@pytest.mark.parametrize(
    "words",
    [
        UNIFER,
        (*UNIFER, "--batch_size", "32", "--device", "cpu"),
        (*UNIFER, "--num_fewshot", "0"),
        ("--model", "unifer", "--tasks", "mmstar", "--num_fewshot", "1",
         "--model_args", "pretrained=X,device=cpu,min_pixels=3136"),
        ("--model", "replay", "--tasks", "ferbench", "--model_args", "samples=a=b"),
        ("--model", "qwen2_5_vl", "--model_args", "pretrained=X,device_map=cpu,min_pixels=3136"),
        ("--model", "vllm", "--model_args", "model=X,max_model_len=8,enforce_eager=true"),
        ("--model", "async_openai", "--model_args", "model=X,base_url=http://x,timeout=3"),
    ],
)  # fmt: skip
def test_what_a_model_takes_passes(parse: Parse, words: tuple[str, ...]) -> None:
    check_run(parse(*words))


@pytest.mark.parametrize(
    ("words", "warns"),
    [
        (UNIFER, True),
        ((*QWEN, "--tasks", "ferbench_sfew"), True),
        ((*QWEN, "--tasks", "ferbench_sfew", "--force_simple"), False),
        ((*QWEN, "--tasks", "mmstar"), False),
    ],
)  # fmt: skip
def test_an_instruction_that_a_chat_model_never_sees_is_reported(
    parse: Parse, words: tuple[str, ...], warns: bool
) -> None:
    said: list[str] = []
    sink = logger.add(said.append, format="{message}")
    check_run(parse(*words, "--system_instruction", "Be brief."))
    check_run(parse(*words))
    logger.remove(sink)
    assert len([text for text in said if "--system_instruction has no effect" in text]) == warns


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--model", "unifr"), "no model is called 'unifr'; did you mean unifer"),
        (("--model", "UniFER"), "no model is called 'UniFER'; did you mean unifer"),
        (("--model", "qwen25_vl"), "did you mean qwen2_5_vl"),
        (("--model", "unifer", "--model_args", "pretraind=X"),
         "the model unifer takes no argument 'pretraind'; did you mean pretrained?"),
        (("--model", "unifer", "--model_args", "pretrained=X,foo=1"),
         "takes no argument 'foo'; it takes attn_implementation, batch_size, device"),
        (("--model", "unifer"), "the model unifer needs pretrained: --model_args pretrained=..."),
        (("--model", "unifer", "--model_args", "X"), "must have the form NAME=VALUE"),
        (("--model", "replay", "--model_args", "sample=X"), "did you mean samples"),
        (("--model", "qwen2_5_vl", "--model_args", "pretraind=X"), "did you mean pretrained"),
        (("--model", "qwen2_5_vl", "--model_args", "min_pixel=3"), "did you mean min_pixels"),
        (("--model", "vllm", "--model_args", "modle=X"), "did you mean model"),
        ((*QWEN, "--tasks", "ferbench_ranked"), "ferbench_ranked asks how likely each candidate"),
        ((*QWEN, "--tasks", "ferbench_ranked_sfew"), "2_5_vl does not compute: use --model unif"),
        ((*UNIFER[:2], "--tasks", "ferbench_rationale_sfew", "--model_args", "pretrained=X"),
         "of an earlier run: add rationales=RUN to --model_args, where RUN is the --output_path"),
        ((*UNIFER, "--batch_size", "auto"), "--batch_size must be a positive integer, got 'auto'"),
        ((*UNIFER, "--batch_size", "auto:4"), "must be a positive integer, got 'auto:4'"),
        ((*UNIFER, "--batch_size", "0"), "--batch_size must be a positive integer, got '0'"),
        ((*UNIFER, "--batch_size", "-1"), "--batch_size must be a positive integer, got '-1'"),
        ((*UNIFER, "--batch_size", "1.5"), "--batch_size must be a positive integer, got '1.5'"),
        (("--model", "replay", "--model_args", "samples=X", "--batch_size", "x"), "got 'x'"),
        ((*UNIFER[:-1], "pretrained=X,batch_size=4"), "batch_size belongs into --batch_size"),
        ((*UNIFER[:-1], "pretrained=X,device=cpu", "--device", "cpu"), "device is given twice"),
        ((*UNIFER, "--max_batch_size", "4"), "does not take --max_batch_size"),
        ((*UNIFER, "--num_fewshot", "1"), "FERBench shows no examples: leave --num_fewshot out"),
        ((*UNIFER, "--cache_requests", "true"), "leave --cache_requests out"),
        ((*UNIFER, "--limit", "0"), "--limit 0 asks nothing"),
        ((*UNIFER, "--limit", "-5"), "--limit -5 is negative: give a number of questions, or -1"),
        ((*UNIFER, "--offset", "-2"), "--offset -2 is negative"),
        ((*UNIFER, "--repeats", "0"), "--repeats must be a positive integer, got '0'"),
        ((*UNIFER, "--gen_kwargs", "temperature"), "--gen_kwargs 'temperature' must have the form"),
        ((*UNIFER, "--check_integrity"), "leave it out; `ferbench doctor` checks the data"),
        ((*UNIFER, "--log_samples"), "--log_samples and --predict_only need --output_path"),
        ((*UNIFER, "--predict_only"), "--log_samples and --predict_only need --output_path"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named(parse: Parse, words: tuple[str, ...], message: str) -> None:
    with pytest.raises(OptionError) as caught:
        check_run(parse(*words))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_back_end_that_is_not_installed_is_named(
    parse: Parse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unifer_tasks.support.extras._is_installed", lambda name: name != "vllm")
    with pytest.raises(MissingModuleError, match=r"--model vllm needs vllm: pip install vllm, or"):
        check_run(parse("--model", "vllm", "--model_args", "model=X"))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("tasks", ["ferbench_sfew"], "tasks must be names with commas between, got"),
        ("limit", "3", "--limit must be a number, got '3'"),
        ("model_args", {"pretrained": "X"}, "--model_args must be one text NAME=VALUE,NAME=VALUE"),
        ("gen_kwargs", {"temperature": 0}, "--gen_kwargs must be one text .* not a dict"),
        ("offset", "3", "--offset must be a number, got '3'"),
    ],
)
def test_values_of_a_file_have_the_options_types(
    parse: Parse, name: str, value: object, message: str
) -> None:
    args = parse(*UNIFER)
    setattr(args, name, value)
    with pytest.raises(OptionError, match=message):
        check_run(args)


@pytest.mark.parametrize("chosen", [0, 1, 2])
def test_a_cache_that_cannot_be_written_is_named(
    parse: Parse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: int
) -> None:
    args = parse(*UNIFER)
    (tmp_path / "file").touch()
    variables = ("LMMS_EVAL_DATASETS_CACHE", "HF_DATASETS_CACHE", "HF_HOME")
    for variable in variables:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv(variables[chosen], str(tmp_path / "file" / "cache"))
    with pytest.raises(OptionError, match=r"HF_DATASETS_CACHE .*file is a file; name a directory"):
        check_run(args)


@pytest.mark.parametrize("preset", shipped(), ids=lambda preset: preset.name)
def test_the_presets_pass(parse: Parse, preset: object, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = preset.settings  # type: ignore[attr-defined]
    monkeypatch.setattr(options, "require", lambda *_: None)
    args = parse("--model", settings["model"], "--tasks", settings["tasks"])
    args.model_args, args.batch_size = settings["model_args"], settings["batch_size"]
    # The module of a back end that this environment lacks cannot be imported.
    with suppress(ImportError):
        get_model(settings["model"])
        check_run(args)


class Stub(OurModel):
    """A model whose constructor loads nothing."""

    def __init__(self, path: str, batch_size: int = 1) -> None:
        self.path = path

    generate_until = loglikelihood = generate_until_multi_round = None


def test_plain_lmms_eval_is_refused_too() -> None:
    assert Stub.create_from_arg_string("path=x", {"batch_size": 2, "device": None}).path == "x"
    with pytest.raises(OptionError, match="takes no argument 'pth'; did you mean path"):
        Stub.create_from_arg_string("pth=x", {})
    with pytest.raises(OptionError, match="does not take --device"):
        Stub.create_from_arg_string("path=x", {"device": "cpu"})
