"""How lmms-eval finds FERBench, in this process."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from unifer_tasks.harness import plugin

pytest.importorskip("lmms_eval")

TASKS = {"ferbench_rafdb", "ferbench_ferplus", "ferbench_affectnet", "ferbench_sfew"}
# Asked from the file of another.
PART = "ferbench_affectnet7"


@pytest.fixture(scope="module", autouse=True)
def _lmms_eval_started() -> None:
    import lmms_eval.models  # noqa: F401


def test_every_task_manager_finds_the_group_and_its_tasks() -> None:
    from lmms_eval.tasks import TaskManager

    manager = TaskManager()
    assert "ferbench" in manager.all_groups
    assert set(manager.all_subtasks) >= TASKS
    assert "mmmu_val" in manager.all_subtasks


def test_a_manager_without_defaults_gets_none_of_ours() -> None:
    from lmms_eval.tasks import TaskManager

    assert TaskManager(include_defaults=False).all_tasks == []


@pytest.mark.parametrize("as_list", [False, True])
def test_the_users_own_folder_comes_first(tmp_path: Path, as_list: bool) -> None:
    from lmms_eval.tasks import TaskManager

    own = tmp_path / "sfew.yaml"
    own.write_text("task: ferbench_sfew\n")
    manager = TaskManager(include_path=[str(tmp_path)] if as_list else str(tmp_path))
    assert manager.task_index["ferbench_sfew"]["yaml_path"] == str(own)
    assert "ferbench_rafdb" in manager.all_subtasks


def test_loading_twice_adds_everything_once() -> None:
    from lmms_eval import utils
    from lmms_eval.baselines import loader
    from lmms_eval.tasks import TaskManager

    before = TaskManager.initialize_tasks, utils.make_table, loader._load_baseline_from_local
    plugin.load()
    after = TaskManager.initialize_tasks, utils.make_table, loader._load_baseline_from_local
    assert after == before


def test_the_evaluator_is_extended_once() -> None:
    from lmms_eval import evaluator
    from lmms_eval.tasks import TaskManager

    TaskManager()
    extended = evaluator.evaluate
    assert hasattr(extended, "__wrapped__")
    TaskManager()
    assert evaluator.evaluate is extended


def test_a_failure_inside_never_reaches_other_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("this lmms-eval has no task manager")

    monkeypatch.setattr(plugin, "_extend", fail)
    assert [manifest.model_id for manifest in plugin.load()] == ["unifer", "unifer_vllm", "replay"]


def test_our_model_ids_resolve_to_chat_models() -> None:
    from lmms_eval.models import get_model

    assert get_model("unifer").__name__ == "UniFER"
    assert get_model("replay").__name__ == "Replay"
    assert not get_model("unifer").is_simple


def test_leaves_are_thin_and_the_template_keeps_the_protocol() -> None:
    from lmms_eval.utils import load_yaml_config

    leaves = sorted(plugin.TASKS_FOLDER.glob("ferbench_*.yaml"))
    assert {leaf.stem for leaf in leaves} == TASKS | {PART}
    for leaf in leaves:
        config = load_yaml_config(str(leaf), mode="simple")
        assert config["reasoning_tags"] == "none"
        assert config["generation_kwargs"] == {
            "max_new_tokens": 1024, "do_sample": False, "temperature": 0, "until": [],
        }  # fmt: skip
        own = yaml.safe_load(leaf.read_text().replace("!function ", ""))
        part = {"process_docs"} if leaf.stem == PART else set()
        assert set(own) == {"include", "task", "task_alias", "dataset_kwargs"} | part
