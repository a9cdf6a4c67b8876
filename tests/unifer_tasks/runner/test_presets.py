"""Every preset is one that the installed lmms-eval takes."""

from __future__ import annotations

import argparse
import ast
import re
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY
from unifer_tasks.cli.main import main
from unifer_tasks.protocol.images import MAX_PIXELS, MIN_PIXELS
from unifer_tasks.runner.presets import (
    OPTIONS,
    Card,
    Preset,
    PresetError,
    as_configuration,
    find_presets,
    shipped,
    table,
)

PRESETS = shipped()
NAMES = [preset.name for preset in PRESETS]
THROUGH_APIS = {"gpt", "gemini", "claude"}

each = pytest.mark.parametrize("preset", PRESETS, ids=NAMES)


def test_the_usual_families_are_there() -> None:
    assert len(PRESETS) >= 24
    families = (
        "qwen2_5_vl_3b qwen2_5_vl_7b qwen2_5_vl_32b qwen2_5_vl_72b qwen3_vl unifer internvl3_8b "
        "internvl3_5 llava_onevision_7b llava_onevision1_5 gemma3 llama phi4 minicpm_v glm4 "
        "kimi_vl gpt gemini_2_5_pro claude"
    )
    for family in families.split():
        assert any(name.startswith(family) for name in NAMES), family


@each
def test_its_card_holds_what_people_need(preset: Preset) -> None:
    assert preset.card.title != preset.name
    assert preset.card.licence
    assert preset.card.peculiar.endswith(".")
    through_api = preset.name.split("_")[0] in THROUGH_APIS
    assert (preset.card.key is not None) == through_api == (preset.card.parameters is None)
    # 80 GB a GPU, of which vLLM takes four fifths.
    assert through_api or (preset.weights_gb or 0) <= preset.gpus * 80 * 0.9


@each
def test_it_keeps_the_protocol(preset: Preset) -> None:
    """Pixels, greedy decoding and token limit are the tasks'; back ends may not undo them."""
    settings = preset.settings
    arguments = dict(part.split("=", 1) for part in settings["model_args"].split(","))
    assert settings["tasks"] == "ferbench"
    assert settings["log_samples"] is True
    assert "system_prompt" not in arguments
    assert "temperature" not in str(settings)
    if preset.backend == "vllm":
        # Its own default overrules the tasks' with 4,096.
        assert arguments["max_new_tokens"] == "1024"
    if preset.backend == "llava_onevision1_5":
        assert (arguments["min_pixels"], arguments["max_pixels"]) == (
            str(MIN_PIXELS),
            str(MAX_PIXELS),
        )
    if preset.name not in {"gpt_5", "gemini_2_5_pro"}:
        assert "gen_kwargs" not in settings
    if preset.card.key:
        # Whoever asks for more than it may counts on a bounded number of requests.
        assert int(arguments["num_concurrent"]) <= 16
        assert int(arguments["max_retries"]) > 1


@each
def test_no_key_is_in_it(preset: Preset) -> None:
    text = as_configuration(preset)
    assert not re.search(r"(sk-|hf_|AIza)\w{6}|api_key", text)
    for name, value in preset.settings.get("env", {}).items():
        assert (name, value) == ("OPENAI_API_KEY", f"${{{preset.card.key}}}")


@pytest.fixture(scope="module")
def lmms_eval_main() -> Any:
    return pytest.importorskip("lmms_eval.__main__")


@each
def test_lmms_evals_own_parser_takes_it(
    preset: Preset, lmms_eval_main: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    taken: list[argparse.Namespace] = []

    def take(args: argparse.Namespace) -> tuple[None, None]:
        taken.append(args)
        return None, None

    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "VERBOSITY"):
        monkeypatch.setenv(name, f"own {name}")
    monkeypatch.setattr(lmms_eval_main, "cli_evaluate_single", take)
    path = own(tmp_path, preset.name, as_configuration(preset))
    options = ["--config", str(path), "--output_path", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["lmms-eval", *options])
    lmms_eval_main.cli_evaluate()
    (args,) = taken
    assert args.model == preset.backend
    assert args.tasks == "ferbench"
    if preset.backend == "openai":
        import os

        assert os.environ["OPENAI_API_KEY"] == f"own {preset.card.key}"


@each
def test_the_installed_version_has_its_model_and_arguments(preset: Preset) -> None:
    models = pytest.importorskip("lmms_eval.models")
    utils = pytest.importorskip("lmms_eval.utils")
    manifest = models.get_model_manifest(preset.backend)
    given = set(utils.simple_parse_args_string(preset.settings["model_args"]))
    accepted = parameters(manifest.chat_class_path or manifest.simple_class_path)
    if preset.backend == "vllm":
        # What lmms-eval does not know it hands to vLLM.
        accepted |= fields("vllm.engine.arg_utils.EngineArgs")
    assert given <= accepted
    assert "batch_size" in accepted or preset.card.key


@cache
def parameters(class_path: str) -> frozenset[str]:
    """Names of the parameters of a class's constructor and of those it hands more to.

    Read and not imported: back ends import packages that only their users have.
    """
    tree, node = _class(class_path)
    constructor = next(
        (
            item
            for item in node.body
            if isinstance(item, ast.FunctionDef) and item.name == "__init__"
        ),
        None,
    )
    names: set[str] = set()
    if constructor:
        spec = constructor.args
        names = {argument.arg for argument in (*spec.args, *spec.kwonlyargs)} - {"self"}
        if spec.kwarg is None:
            return frozenset(names)
    for base in node.bases:
        if (path := _imported(tree, ast.unparse(base))) and path.startswith("lmms_eval.models"):
            names |= parameters(path)
    return frozenset(names)


@cache
def fields(class_path: str) -> frozenset[str]:
    _, node = _class(class_path)
    annotated = (item for item in node.body if isinstance(item, ast.AnnAssign))
    return frozenset(ast.unparse(item.target) for item in annotated)


def _class(class_path: str) -> tuple[ast.Module, ast.ClassDef]:
    module, _, name = class_path.rpartition(".")
    package = find_spec(module.partition(".")[0])
    if package is None or not package.submodule_search_locations:
        pytest.skip(f"{module} is not installed")
    folder = Path(package.submodule_search_locations[0])
    tree = ast.parse((folder.parent / module.replace(".", "/")).with_suffix(".py").read_text())
    return tree, next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name)


def _imported(tree: ast.Module, name: str) -> str | None:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if name == (alias.asname or alias.name):
                    return f"{node.module}.{alias.name}"
    return None


def test_the_constructors_are_read_through_their_bases() -> None:
    chat = parameters("lmms_eval.models.chat.openai.OpenAICompatible")
    assert {"enable_thinking_kwarg", "num_concurrent", "base_url"} <= chat
    assert "nonsense" not in chat
    assert parameters("lmms_eval.models.chat.qwen3_vl.Qwen3_VL") >= {"pretrained", "min_pixels"}


def own(folder: Path, name: str, text: str) -> Path:
    path = folder / (name if "." in name else f"{name}.yaml")
    path.write_text(text)
    return path


def test_a_configuration_of_lmms_eval_is_a_preset(tmp_path: Path) -> None:
    path = own(
        tmp_path, "mine", "# My model: see the notes: there\nmodel: vllm\nmodel_args: model=a/b\n"
    )
    (preset,) = find_presets([str(path)])
    assert preset.name == preset.card.title == "mine"
    assert (preset.backend, preset.gpus, preset.checkpoint) == ("vllm", 1, "a/b")


OWN = """
[base.ours]
base = "vllm"
licence = "Apache-2.0"
model_args.tensor_parallel_size = 2
peculiar = "in-house"

[preset.small]
base = "ours"
title = "Small"
model_args.model = "/checkpoints/small"

[preset.served]
base = "openai"
title = "Served"
model_args = { model = "large", num_concurrent = 2 }
price = { tokens_in = 2, tokens_out = 8 }
peculiar = "behind a server"
"""


def test_users_presets_are_based_on_the_shipped_ones(tmp_path: Path) -> None:
    small, served = find_presets([str(own(tmp_path, "ours.toml", OWN))])
    assert small.settings == {
        "model": "vllm",
        "model_args": "model=/checkpoints/small,tensor_parallel_size=2,max_model_len=8192,"
        "max_new_tokens=1024",
        "tasks": "ferbench",
        "batch_size": 1024,
        "log_samples": True,
    }
    assert (small.name, small.gpus, small.card.peculiar) == ("small", 2, "In-house.")
    assert served.settings["model_args"].startswith("model=large,num_concurrent=2,max_retries=5")
    assert (served.gpus, served.card.key) == (0, "OPENAI_API_KEY")
    assert served.card.price
    assert served.card.price.of(1_000_000, 500_000) == 6
    assert not any(preset.card.price for preset in PRESETS)


def test_the_readmes_presets_are_read(tmp_path: Path) -> None:
    text = (REPOSITORY / "unifer_tasks" / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```toml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    mine, my_unifer = find_presets([str(own(tmp_path, "mine.toml", example))])
    assert (mine.settings["model"], my_unifer.settings["model"]) == ("vllm", "unifer")


def test_arguments_are_the_text_that_lmms_eval_takes(tmp_path: Path) -> None:
    text = "model: vllm\nmodel_args: {model: a/b, x: {y: [1, 2]}}\ngen_kwargs: {temperature: 0}\n"
    (preset,) = find_presets([str(own(tmp_path, "a.yaml", text))])
    assert preset.checkpoint == "a/b"
    assert preset.settings["model_args"] == 'model=a/b,x={"y": [1, 2]}'
    assert preset.settings["gen_kwargs"] == "temperature=0"


TABLE = '[preset.a]\ntitle = "A"\nmodel = "vllm"\n'


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.yaml", "tasks: ferbench\n", "names no model"),
        ("a.yaml", "- model: vllm\n", "names no model"),
        ("a.yaml", "", "names no model"),
        ("a.yaml", "model:\n", "`model` must be a text, got null"),
        ("a.yaml", "model: [vllm]\n", r"`model` must be a text, got \[\"vllm\"\]"),
        ("a.yaml", "model: [\n", "is not YAML"),
        ("a.yaml", "model: vllm\nmodle_args: a=b\n", "'modle_args'; did you mean model_args"),
        ("a.yaml", "model: vllm\n1: 2\n", "no option '1'"),
        ("a.yaml", "model: vllm\ntasks: 2020-01-01\n", "`tasks` must be a text or null"),
        ("a.yaml", "model: vllm\ntasks: [ferbench]\n", "`tasks` must be a text or null"),
        ("a.yaml", "model: vllm\nmodel_args: 7\n", "`model_args` must be a text or an object"),
        ("a.yaml", "model: vllm\nmodel_args: {x: '1,2'}\n", "`model_args` cannot hold x=1,2: lmms"),
        ("a.toml", TABLE + 'gen_kwargs.until = "a,"\n', "`gen_kwargs` cannot hold until=a,: lmms"),
        ("a.yaml", "model: vllm\nlimit: .inf\n", "`limit` must be a finite number"),
        ("a.yaml", "model: vllm\nrepeats: yes\n", "`repeats` must be an integer or null, got true"),
        ("a.yaml", "model: vllm\nenv: {A: [1]}\n", "`env.A` must be a text or"),
        ("a.yaml", f"model: {'[' * 2000}{']' * 2000}", "nested too deeply"),
        ("a.yaml", "model: openai\nmodel_args: model=a,api_key=sk-1\n", "holds an API key"),
        ("a.yaml", "model: vllm\nmodel_args: tensor_parallel_size=two\n", "a number of GPUs"),
        ("a.toml", "[preset", "is not TOML"),
        ("a.toml", "", r"has no \[preset.NAME\]"),
        ("a.toml", "preset = 3", "`preset` must be an object, got 3"),
        ("a.toml", "[presets.a]\n", "unknown key 'presets'; did you mean preset"),
        ("a.toml", "[preset.a]\nmodel = 'vllm'\n", "preset.a: lacks `title`"),
        ("a.toml", "[preset.a]\ntitle = 'A'\n", "preset.a: lacks `model`"),
        ("a.toml", f"{TABLE}licnce = 'MIT'\n", "no option 'licnce'; did you mean licence"),
        ("a.toml", f"{TABLE}parameters = 'many'\n", "`parameters` must be a number or null"),
        ("a.toml", f"{TABLE}price = 3\n", "`price` must be an object or null, got 3"),
        ("a.toml", f"{TABLE}price = {{ tokens_in = -1, tokens_out = 2 }}\n", "not the price"),
        ("a.toml", f"{TABLE}peculiar = 1\n", "`peculiar` must be a text"),
        ("a.toml", f"{TABLE}base = 'vlm'\n", "no base is called 'vlm'; did you mean vllm"),
        ("a.toml", f"{TABLE}base = 'b'\n[base.b]\nbase = 'b'\n", "'b' is based on itself"),
    ],
)  # fmt: skip
def test_what_is_not_a_preset_is_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(PresetError, match=message) as error:
        find_presets([str(own(tmp_path, name, text))])
    assert name in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"model": "vllm", "limit": "few"},
            "--set for mine: `limit` must be a number or null",
        ),
        (
            {"model": "vllm", "limits": 3},
            "no option 'limits'; did you mean limit",
        ),
        ({"model": "vllm", "model_args": "tensor_parallel_size=0"}, "must be a number of GPUs"),
    ],
)
def test_a_change_is_checked_as_a_file_is(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(PresetError, match=message):
        Preset("mine", {"model": "vllm"}, Card("Mine")).with_settings(settings)


def test_the_options_are_those_of_lmms_eval(
    lmms_eval_main: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsers: list[argparse.ArgumentParser] = []

    def note(parser: argparse.ArgumentParser, *_: Any) -> argparse.Namespace:
        parsers.append(parser)
        return argparse.Namespace()

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", note)
    lmms_eval_main.parse_eval_args()
    known = {action.dest for action in parsers[0]._actions}
    # A configuration names no other one, and `env` is taken out before.
    assert known - {"help", "config"} | {"env"} == OPTIONS


def test_names_are_found_and_near_ones_suggested(tmp_path: Path) -> None:
    assert [preset.name for preset in find_presets(["gpt_4o", "unifer_7b"])] == [
        "gpt_4o",
        "unifer_7b",
    ]
    assert find_presets(["all"]) == PRESETS
    assert len(find_presets(["open", "api", "gpt_4o"])) == len(PRESETS)
    with pytest.raises(PresetError, match="did you mean qwen2_5_vl_7b"):
        find_presets(["qwen2.5_vl_7b"])
    with pytest.raises(PresetError, match="`ferbench preset` lists them"):
        find_presets(["zzz"])
    twin = own(tmp_path, "gpt_4o", "model: openai\n")
    with pytest.raises(PresetError, match="two presets are called gpt_4o"):
        find_presets(["gpt_4o", str(twin)])


def test_the_command_lists_and_prints_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preset"]) == 0
    assert capsys.readouterr().out.split() == NAMES
    assert main(["preset", "gpt_4o"]) == 0
    (preset,) = find_presets(["gpt_4o"])
    assert capsys.readouterr().out == as_configuration(preset)
    assert main(["preset", "gpt_4oo"]) == 1
    assert "did you mean gpt_4o" in capsys.readouterr().err
    assert main(["preset", "api"]) == 1
    assert "name one of claude_haiku_4_5, " in capsys.readouterr().err


def test_the_readmes_table_is_generated() -> None:
    assert table(PRESETS) in (REPOSITORY / "unifer_tasks" / "README.md").read_text(encoding="utf-8")
