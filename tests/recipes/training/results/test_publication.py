"""A record beside a merged model names nothing of this machine and holds the runs before it."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from recipes.training.results.card import card
from recipes.training.results.publication import published
from recipes.training.runs.record import DataFile, Record, find_record, write_record
from tests.recipes.training.results.test_card import BASE, grpo, manifest, sft
from unifer_tasks.data.manifest import SYNTHETIC

PRIVATE = "alice"


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return somebody's folder, with a model of SFT in it; theirs is also the working directory."""
    home = tmp_path / PRIVATE
    start = home / "sft" / "global_step_77" / "huggingface"
    start.mkdir(parents=True)
    write_record(home / "sft", sft(BASE, manifest(SYNTHETIC)))
    monkeypatch.chdir(home)
    return home


def private_run(home: Path, model: str) -> Record:
    """Return a run of GRPO in which every place is somebody's."""
    run = grpo(model, judge=f"see {home}/judge.txt")
    run.config["reward"]["custom_reward_function"]["path"] = f"../{PRIVATE}/reward.py"
    paths = [f"{home}/{part}/train-00000.parquet" for part in ("a", "b")]
    config = {
        **run.config,
        "trainer": {
            **run.config["trainer"],
            "default_local_dir": f"../{PRIVATE}/grpo",
            "rollout_data_dir": f"{PRIVATE}/grpo/rollouts",
            "experiment_name": f"{home}/grpo",
        },
        "data": {**run.config["data"], "train_files": paths, "val_files": "~/valid.parquet"},
    }
    described = {**manifest("rafdb"), "recipe": {"index": f"{home}/index"}}
    described["roots"] = {"rafdb": f"../{PRIVATE}/rafdb"}
    overrides = (
        f"data.train_files=[{','.join(paths)}]",
        f"+trainer.default_local_dir=../{PRIVATE}/grpo",
        f"actor_rollout_ref.model.path='{model}'",
        "trainer.total_epochs=2",
    )
    train = tuple(DataFile(path, n, "a1b2", described) for n, path in enumerate(paths, 10))
    val = (DataFile(str(Path.home() / "valid.parquet"), 5, "c3d4", None),)
    return replace(run, overrides=overrides, config=config, data={"train": train, "val": val})


@pytest.mark.parametrize("start", ["{home}/sft/global_step_77/huggingface", "sft/global_step_77"])
def test_a_published_record_names_no_place(places: Path, start: str) -> None:
    run = private_run(places, start.format(home=places))
    kept = published(run)
    assert PRIVATE not in json.dumps(asdict(kept))
    assert kept.overrides[0] == "data.train_files=[a/train-00000.parquet,b/train-00000.parquet]"
    assert kept.overrides[1] == "+trainer.default_local_dir=grpo"
    assert kept.overrides[3] == "trainer.total_epochs=2"
    assert (kept.rows_read("train"), kept.rows_read("val")) == (21, 5)
    assert [file.stand_in for file in kept.data["train"]] == [False, False]


def test_a_published_record_tells_the_whole_lineage_anywhere(
    places: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = private_run(places, f"{places}/sft/global_step_77/huggingface")
    text = card(run)
    merged = tmp_path / "merged"
    merged.mkdir()
    write_record(merged, published(run))
    moved = tmp_path / "elsewhere" / "downloaded"
    moved.parent.mkdir()
    merged.rename(moved)
    places.rename(tmp_path / "gone")
    monkeypatch.chdir(moved)
    found = find_record(moved)
    assert found is not None
    assert card(found) == text
    # A third run begins with it, wherever it lies.
    third = card(grpo(str(moved)))
    assert third.index("## SFT, 77 steps") < third.index("## GRPO, 200 steps")
    assert third.count("## GRPO, 200 steps") == 2


def test_what_others_can_find_keeps_its_name() -> None:
    run = replace(grpo(BASE, preset="grounded"), overrides=("algorithm=dapo", f"a.path={BASE}"))
    kept = published(run)
    assert (kept.model, kept.overrides, kept.earlier) == (BASE, run.overrides, ())
    function = kept.config["reward"]["custom_reward_function"]
    assert function == run.config["reward"]["custom_reward_function"]
    assert kept.versions == run.versions
