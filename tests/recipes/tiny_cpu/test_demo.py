"""The demo of the recipe, the checkpoint that it left, and what it shows."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.forked import Forked
from tests.recipes.trainer import Trainers, assert_learns, run_long

pytest.importorskip("verl")

from recipes.tiny_cpu.demo.compare import read_outcomes, read_scores
from recipes.tiny_cpu.demo.keep import WEIGHTS, keep
from recipes.training.runs.metrics import read_metrics
from recipes.training.runs.rollouts import read_steps


def test_the_kept_checkpoint_is_small_and_says_what_it_is(seeing_model: Path) -> None:
    assert sum(path.stat().st_size for path in seeing_model.iterdir()) < 4_000_000
    card = (seeing_model / "README.md").read_text()
    assert "Trained on synthetic faces" in card
    assert "make demo-train" in card


def test_a_kept_checkpoint_is_the_model_in_half_the_bytes(tiny_model: Path, tmp_path: Path) -> None:
    import torch
    from transformers import Qwen2_5_VLForConditionalGeneration as Model

    source = shutil.copytree(tiny_model, tmp_path / "source")
    (source / "README.md").write_text("# A model\n")
    (source / "run.json").write_text('{"config": "/home/somebody"}')
    size = keep(source, tmp_path / "kept")
    assert size < 0.51 * (source / WEIGHTS).stat().st_size
    assert (tmp_path / "kept" / "README.md").read_text().startswith("# A model\n")
    assert not (tmp_path / "kept" / "run.json").exists()
    before = Model.from_pretrained(source, dtype=torch.float32).state_dict()
    after = Model.from_pretrained(tmp_path / "kept", dtype=torch.float32).state_dict()
    assert all(torch.equal(before[name].bfloat16().float(), after[name]) for name in before)


@dataclass(frozen=True, slots=True)
class Demo:
    """A folder of the demo, and what runs it: the trainers and lmms-eval are forked."""

    folder: Path
    forked: Forked
    environment: Mapping[str, str]

    def run(self, module: str, *options: str | Path) -> str:
        """Return what a module of the demo prints."""
        given = ["--out", self.folder, "--quick", "--ignore-memory", *options]
        command = self.forked.command("-m", module, *map(str, given))
        return run_long(command, self.environment).stdout


@pytest.fixture(scope="module")
def demo(
    forked: Forked,
    trainers: Trainers,
    seeing_model: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Demo:
    """Run the demo from the trained checkpoint."""
    folder = tmp_path_factory.mktemp("demo")
    forked.shadow(folder / "bin", "ferbench")
    path = trainers.server.shadow(folder / "bin", "unifer-train")
    demo = Demo(folder / "out", forked, {**trainers.environment, "PATH": path})
    assert "GiB of memory" in demo.run("recipes.tiny_cpu.demo", "--start", seeing_model)
    return demo


def accuracies(demo: Demo) -> dict[str, float]:
    scores = json.loads((demo.folder / "report" / "scores.json").read_text())
    return {run["name"]: run["strict"]["pooled"]["accuracy"] for run in scores["runs"]}


@pytest.mark.training
def test_the_demo_goes_from_a_checkpoint_to_a_summary(demo: Demo) -> None:
    summary = (demo.folder / "README.md").read_text()
    for model in ("SFT", "cold start", "GRPO"):
        assert f"| {model} | " in summary
    assert "| without variance |" in summary
    assert (demo.folder / "reward.png").is_file()
    assert (demo.folder / "report" / "index.html").is_file()
    # One face of each label; the start sees.
    assert accuracies(demo)["SFT"] > 0.7


@pytest.mark.training
def test_every_rollout_of_the_demo_is_kept_and_read_as_it_was_rewarded(demo: Demo) -> None:
    run = demo.folder / "grpo"
    steps, rollouts = read_metrics(run), read_steps(run)
    assert list(steps) == list(rollouts) == [1, 2]
    assert_learns(*steps.values())
    for step, kept in rollouts.items():
        assert kept.rollouts == 16 * 8
        assert kept.reward == pytest.approx(steps[step]["critic/rewards/mean"])


@pytest.mark.training
def test_a_finished_demo_is_not_run_again(demo: Demo, seeing_model: Path) -> None:
    written = (demo.folder / "grpo" / "train.log").stat()
    assert "GRPO ..." in demo.run("recipes.tiny_cpu.demo", "--start", seeing_model)
    assert (demo.folder / "grpo" / "train.log").stat() == written


@pytest.mark.training
def test_a_comparison_evaluates_and_tabulates_a_run(demo: Demo, seeing_model: Path) -> None:
    # The run is the demo's, which is finished: what a comparison starts verl with is tested in
    # test_compare.py, and what each algorithm does in a session of all.
    run = demo.folder / "runs" / "grpo-1" / "grpo"
    shutil.copytree(demo.folder / "grpo", run)
    options: list[str | Path] = ["--start", seeing_model, "--algorithms", "grpo", "--seeds", "1"]
    assert "| reasoned | grpo | 1 | " in demo.run("recipes.tiny_cpu.demo.compare", *options)
    (outcome,) = read_outcomes(demo.folder)
    # It is evaluated once more, from the checkpoint's float32: the demo's merged model is bfloat16,
    # which changes some answers.
    assert outcome.scores == read_scores(run.parent / "results")
    steps = read_metrics(run)
    assert outcome.kl == steps[2]["actor/kl_loss"] >= 0
    rewards = [step["critic/rewards/mean"] for step in steps.values()]
    assert outcome.first_reward == outcome.last_reward == pytest.approx(sum(rewards) / 2)
    assert outcome.sampled == 2 * 16
    assert outcome.format == "reasoned"
