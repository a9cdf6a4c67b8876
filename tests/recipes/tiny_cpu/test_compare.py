"""The comparison of algorithms and formats: its table, and what is not run again."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("verl")

from recipes.tiny_cpu.demo import compare as module
from recipes.tiny_cpu.demo.compare import (
    TABLE_NAME,
    CompareError,
    Home,
    Outcome,
    Scores,
    compare,
    comparison,
    interval,
    main,
    read_outcomes,
)
from recipes.tiny_cpu.demo.sizes import Sizes
from recipes.tiny_cpu.demo.stages import StageError, Stages
from tests.conftest import REPOSITORY
from tests.recipes.test_readme import commands

COLD = Scores(accuracy=0.5, uar=0.45, rare=0.1, unreadable=0.3)
RUN = Outcome(
    algorithm="dapo",
    seed=1,
    sizes=Sizes(),
    scores=Scores(accuracy=0.8, uar=0.75, rare=0.4, unreadable=0.01),
    first_reward=0.5,
    last_reward=0.8,
    kl=0.02,
    length=41.5,
    sampled=900,
    seconds=300.0,
)


@pytest.mark.parametrize(
    ("values", "digits", "text"),
    [
        ([0.5], 2, "0.50"),
        ([1.0, 1.0, 1.0], 1, "1.0 ± 0.0"),
        # t of 2 degrees is 4.303, the deviation 1: 4.303 / sqrt(3).
        ([1.0, 2.0, 3.0], 2, "2.00 ± 2.48"),
        ([1.0, 2.0], 1, "1.5 ± 6.4"),
    ],
)
def test_an_interval(values: list[float], digits: int, text: str) -> None:
    assert interval(values, digits) == text


def test_a_table() -> None:
    better = replace(RUN, seed=2, scores=replace(RUN.scores, accuracy=0.9))
    grpo = replace(RUN, algorithm="grpo")
    direct = replace(RUN, format="direct")
    starts = {("direct", "cold start"): COLD, ("reasoned", "SFT"): COLD}
    table = comparison(starts, [direct, better, grpo, RUN])
    sft, dapo, last, cold, other = (line.removeprefix("| ") for line in table.splitlines()[2:])
    assert sft.startswith("reasoned | SFT | - | 50.0 | 45.0 | 10.0 | 30.0 | - |")
    assert dapo.startswith("reasoned | dapo | 1, 2 | 85.0 ± 63.5 | 75.0 ± 0.0 | 40.0 ± 0.0 | 1.0 ±")
    assert last == (
        "reasoned | grpo | 1 | 80.0 | 75.0 | 40.0 | 1.0 | 0.300 | 0.0200 | 41.5 | 900 | 5.0 |"
    )
    assert cold.startswith("direct | cold start | - | 50.0 |")
    assert other.startswith("direct | dapo | 1 | 80.0 |")


@pytest.fixture
def commands_run(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path, list[str]]]:
    """Record the commands of stages, by name and folder, in the place of running them."""
    done: list[tuple[str, Path, list[str]]] = []

    def command(stages: Stages, name: str, *words: object, **_: object) -> None:
        done.append((name, stages.out, [str(word) for word in words]))
        if "--output_path" in words:
            results = Path(str(words[words.index("--output_path") + 1]))
            results.mkdir(parents=True)
            (results / "1_results.json").touch()

    monkeypatch.setattr(Stages, "command", command)
    monkeypatch.setattr(Stages, "_newest", lambda _, folder: folder)
    return done


@pytest.fixture
def ran(
    commands_run: list[tuple[str, Path, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> list[tuple[str, int]]:
    """Record what was run, in the place of running it; the run of seed 9 fails."""
    done: list[tuple[str, int]] = []

    def run(home: Home, algorithm: str, seed: int, cold: Path, sizes: Sizes) -> Outcome:
        if seed == 9:
            raise StageError("GRPO failed")
        done.append((algorithm, seed))
        return replace(RUN, algorithm=algorithm, seed=seed, sizes=sizes, format=home.format.key)

    monkeypatch.setattr(module, "_run", run)
    monkeypatch.setattr(module, "read_scores", lambda _: COLD)
    return done


def test_a_run_that_is_finished_is_not_run_again(
    ran: list[tuple[str, int]], tmp_path: Path
) -> None:
    with pytest.raises(StageError):
        compare(tmp_path, ["dapo", "grpo"], [1, 9], None, Sizes())
    assert ran == [("dapo", 1), ("grpo", 1)]
    assert "| grpo | 1 |" in (tmp_path / TABLE_NAME).read_text()
    compare(tmp_path, ["dapo", "gspo"], [1, 2], None, Sizes())
    assert ran[2:] == [("gspo", 1), ("dapo", 2), ("gspo", 2)]
    found = {(one.algorithm, one.seed): one for one in read_outcomes(tmp_path)}
    assert set(found) == set(ran)
    assert found["dapo", 1] == RUN
    assert "| dapo | 1, 2 |" in (tmp_path / TABLE_NAME).read_text()


def test_other_sizes_need_another_folder(
    ran: list[tuple[str, int]], seeing_model: Path, tmp_path: Path
) -> None:
    compare(tmp_path, ["dapo"], [1], None, Sizes(grpo_steps=3))
    for sizes, start in ((Sizes(grpo_steps=4), None), (Sizes(grpo_steps=3), seeing_model)):
        with pytest.raises(CompareError, match="other sizes or of another start"):
            compare(tmp_path, ["dapo"], [1], start, sizes)
    assert ran == [("dapo", 1)]


def test_each_format_has_its_rows_its_start_and_its_tasks(
    commands_run: list[tuple[str, Path, list[str]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = {"critic/rewards/mean": 0.5, "actor/kl_loss": 0.0, "response_length/mean": 9.0}
    filtered = "training/filter_groups"
    left_out = {f"{filtered}/evicted_samples": 5, f"{filtered}/discarded_surplus_samples": 2}
    steps = {1: {**step, **left_out}, 2: step}
    monkeypatch.setattr(module, "read_metrics", lambda _: steps)
    monkeypatch.setattr(module, "read_scores", lambda _: COLD)
    monkeypatch.setattr(Stages, "seconds", lambda _: {"grpo, seed 3": 60.0})
    compare(tmp_path, ["grpo"], [3], None, Sizes(), ["reasoned", "direct"])
    for folder, key, tasks in (
        (tmp_path, "reasoned", "ferbench"),
        (tmp_path / "formats" / "direct", "direct", "ferbench_direct"),
    ):
        run = folder / "runs" / "grpo-3"
        done = {name: words for name, out, words in commands_run if out in (folder, run)}
        assert f"data.train_files={folder}/skewed/cot/train-00000.parquet" in done["cold start"]
        assert f"model.path={folder}/sft/huggingface" in done["cold start"]
        assert f"format={key}" in done["grpo, seed 3"]
        assert f"data.train_files={folder}/faces/rlvr/train-00000.parquet" in done["grpo, seed 3"]
        for model in ("SFT", "cold start", "grpo, seed 3"):
            assert done[f"evaluate {model}"][8:10] == ["--tasks", tasks]
    reformat = ["unifer-data", "reformat"]
    rows = {words[2]: words[-1] for _, _, words in commands_run if words[:2] == reformat}
    assert rows == {
        str(tmp_path / part): str(tmp_path / "formats" / "direct" / part)
        for part in ("faces/cot", "faces/rlvr", "skewed/cot")
    }
    assert [one.sampled for one in read_outcomes(tmp_path)] == [15 * 32 + 7] * 2
    lines = (tmp_path / TABLE_NAME).read_text().splitlines()[2:]
    assert [line.split(" | ")[:3] for line in lines] == [
        [f"| {key}", model, seed]
        for key in ("reasoned", "direct")
        for model, seed in (("SFT", "-"), ("cold start", "-"), ("grpo", "3"))
    ]


@pytest.mark.parametrize(
    ("algorithm", "measured", "kl"),
    [
        ("grpo", False, 0.08),
        ("dapo", True, 0.08),
        # It divides the sum over 9 tokens by the 64 that a response may have.
        ("dr_grpo", True, 0.08 * 64 / 9),
    ],
)
def test_divergence_is_measured_whatever_the_algorithm(
    algorithm: str,
    measured: bool,
    kl: float,
    commands_run: list[tuple[str, Path, list[str]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    step = {"critic/rewards/mean": 0.5, "actor/kl_loss": 0.08, "response_length/mean": 9.0}
    name = f"{algorithm}, seed 3"
    monkeypatch.setattr(
        module, "read_metrics", lambda _: {1: {**step, "actor/kl_loss": 0}, 2: step}
    )
    monkeypatch.setattr(module, "read_scores", lambda _: COLD)
    monkeypatch.setattr(Stages, "seconds", lambda _: {name: 60.0})
    compare(tmp_path, [algorithm], [3], None, Sizes())
    (words,) = (words for done, _, words in commands_run if done == name)
    assert words[:4] == ["unifer-train", "grpo", "--config", "tiny"]
    assert {f"algorithm={algorithm}", "data.seed=3"} <= set(words)
    actor = "actor_rollout_ref.actor"
    added = {f"{actor}.use_kl_loss=true", f"{actor}.kl_loss_coef=0"}
    assert added & set(words) == (added if measured else set())
    (outcome,) = read_outcomes(tmp_path)
    assert (outcome.algorithm, outcome.seed) == (algorithm, 3)
    assert outcome.kl == pytest.approx(kl)


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": 0}', '{"schema": 1, "algorithm": "dapo"}'])
def test_a_result_that_is_none_is_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "outcomes" / "dapo-1.json"
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(CompareError, match=re.escape(str(path))):
        read_outcomes(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--algorithms", "dpo"], "invalid choice: 'dpo'"),
        (["--formats", "think"], "invalid choice: 'think'"),
        (["--steps", "0"], "'0': give a whole number of 1 or more"),
        (["--seeds", "one"], "invalid int value"),
    ],
)
def test_what_cannot_be_compared(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["--out", str(tmp_path), *options])
    assert message in capsys.readouterr().err


def test_the_command_prints_the_table(
    ran: list[tuple[str, int]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--out", str(tmp_path), "--ignore-memory"]
    assert main([*given, "--start", str(tmp_path / "none")]) == 1
    assert "none holds no config.json; give a model's folder" in capsys.readouterr().err
    assert main([*given, "--algorithms", "sapo", "--seeds", "4", "--steps", "2"]) == 0
    assert "| sapo | 4 |" in capsys.readouterr().out
    assert json.loads((tmp_path / "sizes.json").read_text())["grpo_steps"] == 2
    assert main([*given, "--seeds", "9", "--steps", "2"]) == 1
    assert "compare: GRPO failed" in capsys.readouterr().err


def test_the_command_of_the_readme(
    ran: list[tuple[str, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    algorithms, formats = (
        words[3:]
        for words in commands(REPOSITORY / "recipes" / "README.md", "")
        if words[:3] == ["python", "-m", "recipes.tiny_cpu.demo.compare"]
    )
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes").symlink_to(REPOSITORY / "recipes")
    assert main([*algorithms, "--ignore-memory"]) == 0
    assert len(ran) == 6 * 3
    assert main([*formats, "--ignore-memory"]) == 0
    assert len(ran) == 6 * 3 + 3 * 3
