"""What a command needs is said in one sentence, before it makes or reads anything."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from data_prep.cli.main import main as unifer_data
from tests.conftest import REPOSITORY
from unifer_tasks.cli.main import main as ferbench
from unifer_tasks.support import extras
from unifer_tasks.support.extras import Need

NEEDS = {name: need for name, need in vars(extras).items() if isinstance(need, Need)}


@pytest.mark.parametrize(
    ("main", "words", "module", "message"),
    [
        (ferbench, ["report", "x.jsonl", "--out", "OUT"], "jinja2",
         "ferbench report needs jinja2: in a clone of UniFER, pip install '.[report]'"),
        (ferbench, ["report", "x.jsonl", "--out", "OUT"], "matplotlib", "needs matplotlib"),
        (ferbench, ["run", "--models", "gpt_4o", "--out", "OUT"], "lmms_eval",
         "ferbench run needs lmms_eval: in a clone of UniFER, pip install '.[eval]'"),
        (ferbench, ["run", "--models", "gpt_4o", "--out", "OUT"], "yaml", "needs yaml"),
        (ferbench, ["run", "--models", "gpt_4o", "--out", "OUT"], "matplotlib", "'.[report]'"),
        (ferbench, ["tiny-model", "OUT"], "torch", "ferbench tiny-model needs torch: "),
        (unifer_data, ["cot", "--rows", "x", "--teacher", "t", "--out", "OUT"], "openai",
         "unifer-data cot needs openai: in a clone of UniFER, pip install '.[teacher]'"),
        (unifer_data, ["verify", "x", "--processor", "y"], "verl", "needs verl: "),
        (unifer_data, ["rlvr", "--from", "x", "--out", "OUT", "--push", "a/b"], "huggingface_hub",
         "--push needs huggingface_hub: pip install huggingface_hub"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named_first(
    main: object,
    words: list[str],
    module: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(extras, "_is_installed", lambda name: name != module)
    monkeypatch.chdir(tmp_path)
    assert main(words) == 1  # type: ignore[operator]
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_hints_name_extras_that_exist() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert NEEDS
    for need in [*NEEDS.values(), *extras.BACKENDS.values()]:
        _, marker, rest = need.install.partition("'.[")
        assert not marker or rest.partition("]")[0] in project["optional-dependencies"]


def test_no_message_names_an_index_that_lacks_the_package() -> None:
    sources = [*REPOSITORY.glob("unifer_*/**/*.py"), *REPOSITORY.glob("data_prep/**/*.py")]
    assert [path for path in sources if "unifer[" in path.read_text(encoding="utf-8")] == []


def test_a_package_within_one_that_is_missing_is_missing() -> None:
    assert Need(("json", "no_such.thing", "json.decoder"), "").missing() == ["no_such.thing"]
