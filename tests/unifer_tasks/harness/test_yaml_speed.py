from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import run_command
from unifer_tasks.harness.yaml_speed import libyaml

pytest.importorskip("lmms_eval")


def test_task_files_are_read_as_by_the_parser_in_python() -> None:
    """Includes, functions and the values of a few hundred files."""
    from lmms_eval import tasks, utils

    folder = Path(tasks.__file__).parent
    paths = sorted(folder.rglob("*.yaml"))[::10]
    assert len(paths) > 100

    def read() -> list[str]:
        # In mode "simple" a function is a node of YAML, which equals only itself.
        return [repr(utils.load_yaml_config(str(path), mode="simple")) for path in paths]

    expected = read()
    before = yaml.full_load
    with libyaml():
        assert yaml.full_load is not before
        assert read() == expected
    assert yaml.full_load is before


def test_tags_that_are_added_later_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml.FullLoader, "yaml_constructors", yaml.FullLoader.yaml_constructors)
    with libyaml():
        yaml.FullLoader.add_constructor("!shout", lambda loader, node: node.value.upper())
        assert yaml.full_load("a: !shout b") == {"a": "B"}


def test_the_commands_of_an_installation_without_extras_need_no_yaml() -> None:
    code = "import sys; sys.modules['yaml'] = None; import unifer_tasks.cli.main"
    run_command([sys.executable, "-c", code])


def test_a_yaml_without_libyaml_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    before = yaml.full_load
    monkeypatch.setattr(yaml, "__with_libyaml__", False)
    with libyaml():
        assert yaml.full_load is before
