"""The commands of the recipes' README are taken as they stand, but for the places that they name.

Those for a CPU are checked on the rows and the model that they write, those for GPUs with a tiny
model in the place of a large one; `training` tests run both stages to their end.
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

pytest.importorskip("verl")

from data_prep.cli.main import main as unifer_data
from recipes.training.cli.main import main as unifer_train
from tests.conftest import REPOSITORY
from unifer_tasks.cli.main import main as ferbench
from unifer_tasks.data.manifest import DATA_VARIABLE

README = REPOSITORY / "recipes" / "README.md"
STAGES = ("sft", "grpo")


def commands(readme: Path, *languages: str) -> list[list[str]]:
    """Return the words of each command in a README's blocks of some languages."""
    # Between fences, text and blocks take turns.
    blocks = readme.read_text(encoding="utf-8").split("```")[1::2]
    found = [
        body for block in blocks for tag, _, body in [block.partition("\n")] if tag in languages
    ]
    lines = "".join(found).replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def test_the_way_on_a_cpu_is_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    seen = []
    for program, *arguments in commands(README, "bash"):
        seen.append(f"{program} {arguments[0]}")
        if program == "unifer-train" and arguments[0] in STAGES:
            assert unifer_train([*arguments, "--check"]) == 0, capsys.readouterr().err
        elif program == "unifer-train" and arguments[0] == "merge":
            assert unifer_train(arguments) == 1
            assert f"{arguments[1]} is not a directory" in capsys.readouterr().err
            shutil.copytree("tiny", arguments[2])
        elif program == "unifer-train":
            assert unifer_train(arguments) == 1
            assert "holds no rollouts" in capsys.readouterr().err
        else:
            assert {"unifer-data": unifer_data, "ferbench": ferbench}[program](arguments) == 0
    assert seen == [
        "unifer-data drawn",
        "ferbench tiny-model",
        "unifer-train sft",
        "unifer-train merge",
        "unifer-train grpo",
        "unifer-train rollouts",
        "unifer-train merge",
    ]


@pytest.mark.parametrize("readme", [README, REPOSITORY / "README.md"], ids=["recipes", "top"])
def test_the_way_on_gpus_is_ready(
    readme: Path, drawn_rows: Path, tiny_model: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(DATA_VARIABLE, "")
    for name in ("cot", "rlvr"):
        Path(name.upper()).symlink_to(drawn_rows / name)
    Path("data").symlink_to(drawn_rows)
    no_gpu = ["trainer.device=cpu", "data.train_batch_size=4", "trainer.n_gpus_per_node=4"]
    more = {
        "sft": [
            f"model.path={tiny_model}",
            "model.use_remove_padding=false",
            "+model.override_config.attn_implementation=sdpa",
        ],
        "grpo": [
            "actor_rollout_ref.model.use_remove_padding=false",
            "+actor_rollout_ref.model.override_config.attn_implementation=sdpa",
            "actor_rollout_ref.actor.ppo_mini_batch_size=4",
        ],
    }
    # What was not trained here is named.
    refused = {
        "merge": "global_step_N is not a directory",
        "rollouts": "holds no rollouts",
        "evaluate": "FERBENCH_DATA=BENCHMARK is not a directory",
        "card": "GRPO comes from no run",
    }
    checked = []
    found = [words for words in commands(readme, "sh", "") if words[0] == "unifer-train"]
    for program, command, *arguments in found:
        assert program == "unifer-train"
        if command in STAGES:
            given = [command, *arguments, *no_gpu, *more[command], "--check"]
            assert unifer_train(given) == 0, capsys.readouterr().err
            checked.append(command)
        elif command in refused:
            assert unifer_train([command, *arguments]) == 1
            assert refused[command] in capsys.readouterr().err
            if command == "merge":
                shutil.copytree(tiny_model, arguments[1])
        elif command == "check":
            assert unifer_train([command, *arguments]) == 1
            assert "data.train_files is not given" in capsys.readouterr().err
        else:
            assert unifer_train([command, *arguments]) == 0
    assert checked == ["sft", "grpo"]
    if readme == README:
        assert Path("my_grpo.yaml").is_file()
        assert Path("slurm.sbatch").is_file()


def test_the_settings_that_it_shows_compose() -> None:
    from recipes.training.configuration.compose import read_settings
    from recipes.training.configuration.settings import Stage

    text = README.read_text(encoding="utf-8").partition("## Settings")[2].partition("## Several")[0]
    shown = [words.split() for words in re.findall(r"`([\w.+]+=[^`]*)`", text)]
    assert len(shown) == 16
    for overrides in shown:
        stage: Stage = "sft" if overrides[0].startswith("model.") else "grpo"
        read_settings(stage, "7b", overrides)
