"""A model card says what a model was made of, and what was measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recipes.training.cli.main import main
from recipes.training.configuration.settings import Part
from recipes.training.results.card import CardError, card
from recipes.training.runs.record import (
    RECORD_NAME,
    DataFile,
    Record,
    write_record,
)
from tests.unifer_tasks.redaction.test_markdown import shown
from tests.unifer_tasks.support.hostile import NAMES
from unifer_tasks.data.manifest import SYNTHETIC
from unifer_tasks.redaction.characters import UNSEEN, one_line

BASE = "Qwen/Qwen2.5-VL-7B-Instruct"
TRAINER = {"total_epochs": 1, "n_gpus_per_node": 8, "nnodes": 1}
FILES = {"train_files": "/rows/train-00000.parquet", "val_files": "/rows/valid-00000.parquet"}


def manifest(source: str) -> dict[str, Any]:
    return {"roots": {source: "/images"}, "counts_out": {"train": {"rafdb": {"happy": 1234}}}}


def data(described: dict[str, Any] | None) -> dict[Part, tuple[DataFile, ...]]:
    return {
        "train": (DataFile("/rows/train-00000.parquet", 1234, "a1b2", described),),
        "val": (DataFile("/rows/valid-00000.parquet", 56, "c3d4", described),),
    }


def sft(model: str, described: dict[str, Any] | None = None, **more: object) -> Record:
    config = {
        "model": {"path": model},
        "trainer": TRAINER,
        "data": {"train_batch_size": 16, "max_length": 2048, **FILES, **more},
        "optim": {
            "lr": 1e-5, "lr_scheduler_type": "cosine", "lr_warmup_steps_ratio": 0.03,
            "weight_decay": 0.01, "clip_grad": 5.0,
        },
    }  # fmt: skip
    return Record("sft", (), config, data(described), {"verl": "0.9.1"})


def grpo(model: str, **reward: object) -> Record:
    config = {
        "algorithm": {"norm_adv_by_std_in_grpo": True, "filter_groups": {"enable": False}},
        "actor_rollout_ref": {
            "model": {"path": model},
            "actor": {
                "optim": {
                    "lr": 1e-6, "lr_scheduler_type": "cosine", "weight_decay": 0.01,
                    "clip_grad": 5.0,
                },
                "use_kl_loss": True, "kl_loss_coef": 0.04, "kl_loss_type": "low_var_kl",
                "loss_agg_mode": "seq-mean-token-mean", "ppo_mini_batch_size": 32,
                "policy_loss": {"loss_mode": "vanilla"},
                "clip_ratio_low": 0.2, "clip_ratio_high": 0.2,
            },
            "rollout": {"n": 8, "temperature": 1.0},
        },
        "data": {
            "train_batch_size": 32, "max_prompt_length": 1024, "max_response_length": 1024, **FILES
        },
        "trainer": TRAINER,
        "reward": {
            "custom_reward_function": {
                "path": "pkg://unifer_rewards.fer", "name": "compute_score", "reward_kwargs": reward
            }
        },
    }  # fmt: skip
    return Record("grpo", (), config, data(manifest("rafdb")), {"verl": "0.9.1"}, step=200)


def header(text: str) -> dict[str, Any]:
    lines = text.split("---\n")[1].splitlines()
    return {key: json.loads(value) for key, value in (line.split(": ", 1) for line in lines)}


def test_a_run_of_grpo_is_described() -> None:
    text = card(grpo(BASE, preset="grounded", weights={"brevity": 0.5}))
    assert header(text) == {
        "license": "other",
        "license_name": "base-model-and-datasets",
        "library_name": "transformers",
        "pipeline_tag": "image-text-to-text",
        "language": ["en"],
        "tags": ["unifer", "facial-expression-recognition", "verl", "grpo"],
        "base_model": BASE,
    }
    for line in (
        "## GRPO, 200 steps",
        "| rollouts a prompt | 8 |",
        "| KL coefficient | 0.04 |",
        "consistency 0.1, action_units 0.1, brevity 0.5, gated on format; at most 1.5",
        "| train | `train-00000.parquet` | 1,234 | a1b2 | photographs |",
        "| train | rafdb | happy | 1,234 |",
        "Versions: verl 0.9.1.",
        "Not measured.",
    ):
        assert line in text


@pytest.mark.parametrize(
    ("algorithm", "title"),
    [(None, "GRPO"), ("grpo", "GRPO"), ("dapo", "DAPO"), ("dr_grpo", "DR.GRPO")],
)
def test_an_algorithm_is_named(algorithm: str | None, title: str) -> None:
    text = card(replace(grpo(BASE), algorithm=algorithm))
    assert f", trained by {title}\n" in text
    assert f"## {title}, 200 steps" in text
    assert "grpo" in header(text)["tags"]


@pytest.mark.parametrize(
    ("described", "faces", "warned"),
    [
        (manifest(SYNTHETIC), "synthetic", True),
        (manifest("rafdb"), "photographs", False),
        (None, "not recorded", False),
    ],
)
def test_synthetic_faces_are_named(
    described: dict[str, Any] | None, faces: str, warned: bool
) -> None:
    text = card(sft(BASE, described))
    assert f"| {faces} |" in text
    assert ("**Trained on synthetic faces.**" in text) == warned
    assert ("stand-in-data" in header(text)["tags"]) == warned


def test_both_stages_are_told_with_the_first_ones_base(tmp_path: Path) -> None:
    start = tmp_path / "sft" / "global_step_77" / "huggingface"
    start.mkdir(parents=True)
    write_record(tmp_path / "sft", sft(BASE, manifest(SYNTHETIC)))
    text = card(grpo(str(start)))
    assert header(text)["base_model"] == BASE
    assert "# Qwen2.5-VL-7B-Instruct, trained by SFT and GRPO" in text
    assert text.index("## SFT, 77 steps") < text.index("## GRPO, 200 steps")
    # What the first stage saw, the model has seen.
    assert "**Trained on synthetic faces.**" in text


def test_a_stage_in_two_runs_is_named_once(tmp_path: Path) -> None:
    start = tmp_path / "first" / "global_step_7" / "huggingface"
    start.mkdir(parents=True)
    write_record(tmp_path / "first", sft(BASE, manifest(SYNTHETIC), train_max_samples=100))
    text = card(sft(str(start), manifest(SYNTHETIC)))
    assert "# Qwen2.5-VL-7B-Instruct, trained by SFT\n" in text
    assert header(text)["tags"].count("sft") == 1
    # What each run read is told, and what both files hold once.
    first, second = text.split("## SFT, 7 steps")[1].split("## SFT\n")
    assert "| rows read to train on | 100 |" in first
    assert "| rows read to train on | 1,234 |" in second
    assert text.count("| train | rafdb | happy | 1,234 |") == 1


def test_a_base_on_this_machine_is_not_linked_to(tmp_path: Path) -> None:
    assert "base_model" not in header(card(sft(str(tmp_path))))


ROW = {"accuracy": 0.5, "macro_f1": 0.25, "uar": 0.125, "unreadable": None}


@pytest.mark.parametrize(
    ("found", "lines"),
    [
        (
            {"results": {
                "ferbench": {
                    "alias": "ferbench [STAND-IN faces, 60 of 11,072 questions]",
                    "accuracy,none": 0.5, "macro_f1,none": 0.25, "uar,none": 0.125,
                    "unreadable,none": "N/A",
                },
                "mmmu": {"accuracy,none": 1.0},
            }},
            ["| ferbench \\[STAND-IN faces, 60 of 11,072 questions\\] "
             "| 0.5000 | 0.2500 | 0.1250 | - |"],
        ),
        (
            {"reader": "strict", "complete": False, "datasets": {"sfew": ROW}, "pooled": ROW,
             "mean": ROW},
            ["| sfew, strict reader \\[not the whole benchmark\\] | 0.5000 |", "| pooled, strict"],
        ),
    ],
)  # fmt: skip
def test_scores_are_read_from_both_programs(
    found: dict[str, Any], lines: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(found))
    text = card(sft(BASE), path)
    assert "Not measured" not in text
    assert "mmmu" not in text
    for line in lines:
        assert line in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not a results file of lmms-eval"),
        ("[]", "is not a results file of lmms-eval"),
        ("{}", "is not a results file of lmms-eval"),
        ('{"results": null}', "is not a results file of lmms-eval"),
        ('{"results": {"ferbench": {"accuracy,none": 1}}}', "is not a results file of lmms-eval"),
        ('{"results": {}}', "holds no score of a ferbench task"),
        ('{"results": {"mmmu": {"accuracy,none": 1}}}', "holds no score of a ferbench task"),
    ],
)
def test_other_files_hold_no_scores(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text(content)
    with pytest.raises(CardError, match=message):
        card(sft(BASE), path)


def test_the_command_writes_a_card_beside_the_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_record(tmp_path, sft(BASE))
    model = tmp_path / "global_step_3" / "huggingface"
    assert main(["card", str(model)]) == 1
    assert "no config.json" in capsys.readouterr().err
    model.mkdir(parents=True)
    (model / "config.json").write_text("{}")
    assert main(["card", str(model.parent)]) == 1
    assert f"it has no config.json; give {model}" in capsys.readouterr().err
    assert main(["card", str(model)]) == 0
    assert "## SFT, 3 steps" in (model / "README.md").read_text()
    (tmp_path / RECORD_NAME).unlink()
    assert main(["card", str(model)]) == 1
    assert "comes from no run" in capsys.readouterr().err


LORA = {"lora_rank": 32, "lora_alpha": 64, "target_modules": "all-linear"}


@pytest.mark.parametrize(
    ("excluded", "shown"), [(".*visual.*", "`.*visual.*`"), (["qkv", "proj"], "`qkv, proj`")]
)
def test_an_adapter_is_named(excluded: str | list[str], shown: str) -> None:
    record = sft(BASE)
    assert "LoRA" not in card(record)
    record.config["model"].update(LORA, exclude_modules=excluded)
    text = card(record)
    assert header(text)["tags"][-1] == "lora"
    for line in (
        "| LoRA rank | 32 |",
        "| LoRA alpha | 64 |",
        "| adapted modules | `all-linear` |",
        f"| excluded modules | {shown} |",
    ):
        assert line in text


def test_no_card_calls_unmerged_weights_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = sft(BASE)
    record.config["model"].update(LORA)
    write_record(tmp_path, record)
    model = tmp_path / "global_step_3" / "huggingface"
    model.mkdir(parents=True)
    (model / "config.json").write_text("{}")
    assert main(["card", str(model)]) == 1
    assert "was not merged" in capsys.readouterr().err
    assert not (model / "README.md").exists()


def hostile(name: str, folder: Path) -> tuple[Record, Path]:
    """Return a run of which everything is called `name`, and scores likewise."""
    record = grpo(str(folder / "base" / name))
    function = record.config["reward"]["custom_reward_function"]
    function |= {"path": f"/home/me/{name}.py", "name": name, "reward_kwargs": {"judge": name}}
    record.config["actor_rollout_ref"]["actor"]["optim"]["lr_scheduler_type"] = name
    record.config["actor_rollout_ref"]["model"] |= {
        "lora_rank": 8, "lora_alpha": 8, "target_modules": name
    }  # fmt: skip
    described = {"roots": {}, "counts_out": {"train": {name: {name: 1}}}}
    file = DataFile(f"/rows/{name}.parquet", 1, name, described)
    path = folder / "results.json"
    row = {f"{metric},none": 0.5 for metric in ("accuracy", "macro_f1", "uar", "unreadable")}
    path.write_text(json.dumps({"results": {"ferbench": {"alias": name, **row}}}))
    return replace(record, data={"train": (file,), "val": ()}, versions={name: name}), path


@pytest.mark.parametrize("name", NAMES)
def test_names_are_shown_as_they_are(name: str, tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml")
    record, scores = hostile(name, tmp_path)
    text = card(record, scores)
    assert not UNSEEN.search(text)
    _, front, body = text.split("---\n", 2)
    assert yaml.safe_load(front)["tags"][-1] == "lora"
    tags, read = shown(body)
    assert tags == {"h1", "h2", "p", "code", "table", "thead", "tbody", "tr", "th", "td"}
    plain = one_line(name)
    for words in (
        f"schedule {plain} weight",
        f"adapted modules {plain} excluded",
        f"train {plain} {plain} 1",
        f"Versions: {plain} {plain}.",
        f"unreadable {plain.strip(' -')} 0.5000",
    ):
        assert " ".join(words.split()) in read
    for path in (tmp_path, "/home/me", "/rows"):
        assert f"{path}/" not in read


@pytest.mark.parametrize(
    ("path", "shown_as"),
    [
        ("pkg://unifer_rewards.other", "pkg://unifer_rewards.other"),
        ("/home/me/reward.py", "reward.py"),
        ("../me/reward.py", "reward.py"),
        ("~/reward.py", "reward.py"),
        (r"C:\Users\me\reward.py", "reward.py"),
    ],
)
def test_a_reward_is_named_without_its_folder(path: str, shown_as: str) -> None:
    record = grpo(BASE)
    options = {"judge": "/home/me/judge", "lists": ["see ~/a.txt"]}
    record.config["reward"]["custom_reward_function"] |= {"path": path, "reward_kwargs": options}
    text = card(record)
    assert f"Reward: `{shown_as}`, `compute_score`, " in text
    assert '{"judge": "judge", "lists": ["see a.txt"]}' in text


@pytest.mark.parametrize(
    ("model", "title"),
    [
        ("../me/models/base", "base"),
        ("~/models/base/", "base"),
        (r"D:\me\base", "base"),
        ("/home/me/base", "base"),
    ],
)
def test_a_base_is_named_without_its_folder(model: str, title: str) -> None:
    text = card(sft(model))
    assert f"# {title}, trained by SFT" in text
    assert f"Base model: `{title}`." in text
    assert "base_model" not in header(text)
