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
from unifer_tasks.protocol.images import MAX_PIXELS, MIN_PIXELS
from unifer_tasks.runner.presets import (
    FOLDER,
    Preset,
    PresetError,
    find_presets,
    read_preset,
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


def test_the_recipes_folder_shows_them() -> None:
    recipes = REPOSITORY / "recipes" / "mllms"
    assert sorted(path.stem for path in recipes.glob("*.yaml")) == NAMES


@each
def test_its_comment_tells_what_people_need(preset: Preset) -> None:
    assert preset.title != preset.name
    assert preset.licence
    assert preset.peculiar.endswith(".")
    through_api = preset.name.split("_")[0] in THROUGH_APIS
    assert (preset.key is not None) == through_api == (preset.parameters is None)
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
    if preset.key:
        # Whoever asks for more than it may counts on a bounded number of requests.
        assert int(arguments["num_concurrent"]) <= 16
        assert int(arguments["max_retries"]) > 1


@each
def test_no_key_is_in_it(preset: Preset) -> None:
    text = (FOLDER / f"{preset.name}.yaml").read_text()
    assert not re.search(r"(sk-|hf_|AIza)\w{6}|api_key", text)
    for name, value in preset.settings.get("env", {}).items():
        assert (name, value) == ("OPENAI_API_KEY", f"${{{preset.key}}}")


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
    path = FOLDER / f"{preset.name}.yaml"
    options = ["--config", str(path), "--output_path", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["lmms-eval", *options])
    lmms_eval_main.cli_evaluate()
    (args,) = taken
    assert args.model == preset.backend
    assert args.tasks == "ferbench"
    if preset.backend == "openai":
        import os

        assert os.environ["OPENAI_API_KEY"] == f"own {preset.key}"


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
    assert "batch_size" in accepted or preset.key


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
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return path


def test_a_file_of_ones_own_needs_no_comment(tmp_path: Path) -> None:
    path = own(
        tmp_path, "mine", "# My model: see the notes: there\nmodel: vllm\nmodel_args: model=a/b\n"
    )
    (preset,) = find_presets([str(path)])
    assert (preset.name, preset.title, preset.backend, preset.gpus) == ("mine", "mine", "vllm", 1)
    assert preset.checkpoint == "a/b"


def test_prices_are_given_by_the_user(tmp_path: Path) -> None:
    path = own(tmp_path, "mine", "# key: MY_KEY\n# price: [2, 8]\nmodel: openai\n")
    preset = read_preset(path)
    assert preset.price
    assert preset.price.of(1_000_000, 500_000) == 6
    assert not any(preset.price for preset in PRESETS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tasks: ferbench\n", "names no model"),
        ("- model: vllm\n", "names no model"),
        ("", "names no model"),
        ("model: [\n", "cannot be read"),
        ("# price: 3\nmodel: openai\n", "cannot be read"),
        ("model: openai\nmodel_args: model=a,api_key=sk-1\n", "holds an API key"),
    ],
)
def test_what_is_no_preset_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(PresetError, match=message):
        read_preset(own(tmp_path, "mine", text))


def test_names_are_found_and_near_ones_suggested(tmp_path: Path) -> None:
    assert [preset.name for preset in find_presets(["gpt_4o", "unifer_7b"])] == [
        "gpt_4o",
        "unifer_7b",
    ]
    assert find_presets(["all"]) == PRESETS
    assert len(find_presets(["open", "api", "gpt_4o"])) == len(PRESETS)
    with pytest.raises(PresetError, match="there is qwen2_5_vl_7b"):
        find_presets(["qwen2.5_vl_7b"])
    twin = own(tmp_path, "gpt_4o", "model: openai\n")
    with pytest.raises(PresetError, match="two presets are called gpt_4o"):
        find_presets(["gpt_4o", str(twin)])


def test_the_readmes_table_is_generated() -> None:
    assert table(PRESETS) in (REPOSITORY / "README.md").read_text(encoding="utf-8")
