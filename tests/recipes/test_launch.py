"""A stage runs in the real verl, and a failure cannot pass for a success."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, run_command

pytest.importorskip("verl")

from recipes.launch import RunError, newest_checkpoint, run

CPU = {
    "VERL_USE_EXTERNAL_MODULES": "recipes.tiny_cpu.cpu_platform",
    "VERL_PLATFORM": "cpu",
    "VERL_ENGINE_DEVICE": "cuda",
    "PYTHONPATH": str(REPOSITORY),
    "TORCHDYNAMO_DISABLE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}

CPU_ROLLOUT = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_NO_USAGE_STATS": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_what_a_trainer_says_is_shown_and_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "run" / "train.log"
    assert run(python("print('step:1')"), log, 1) == 0
    assert run(python("print('step:2')"), log, 1) == 0
    assert log.read_text() == "step:1\nstep:2\n"
    assert capsys.readouterr().out == "step:1\nstep:2\n"


def test_a_non_zero_exit_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"exited 3; see .*train\.log"):
        run(python("raise SystemExit(3)"), tmp_path / "train.log", 1)


def test_a_run_that_hangs_is_ended(tmp_path: Path) -> None:
    code = "import time; print('syncing', flush=True); time.sleep(600)"
    with pytest.raises(RunError, match=r"said nothing for 0\.2 minutes"):
        run(python(code), tmp_path / "train.log", 0.2)
    assert (tmp_path / "train.log").read_text() == "syncing\n"


def test_groups_that_verl_dropped_are_counted(tmp_path: Path) -> None:
    code = "print('ERROR Error in _run_prompt: boom'); print('fine'); print('Error in _run_prompt')"
    assert run(python(code), tmp_path / "train.log", 1) == 2


def test_the_newest_checkpoint_is_the_one_of_most_steps(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path) is None
    for step in (9, 10, 2):
        (tmp_path / f"global_step_{step}").mkdir()
    assert newest_checkpoint(tmp_path) == tmp_path / "global_step_10"


@pytest.mark.training
def test_verl_trains_on_a_cpu_and_goes_on_where_it_stopped(
    drawn_rows: Path,
    tiny_model: Path,
    tmp_path: Path,
) -> None:
    from transformers import AutoProcessor, Qwen2_5_VLForConditionalGeneration

    rows, out = drawn_rows / "cot", tmp_path / "run"
    command = [
        sys.executable, "-m", "recipes.launch", "sft", "recipes/tiny_cpu/sft_tiny.yaml",
        f"data.train_files={rows / 'train-00000.parquet'}",
        f"data.val_files={rows / 'valid-00000.parquet'}", f"model.path={tiny_model}",
        f"trainer.default_local_dir={out}", "data.train_batch_size=4",
        "data.micro_batch_size_per_gpu=4", "trainer.save_freq=1", "trainer.total_epochs=2",
    ]  # fmt: skip
    first = run_command([*command, "trainer.total_training_steps=2"], env=CPU, cwd=REPOSITORY)
    assert f"done: {out / 'global_step_2'}" in first.stdout
    assert "train/loss" in first.stdout
    second = run_command([*command, "trainer.total_training_steps=4"], env=CPU, cwd=REPOSITORY)
    assert f"done: {out / 'global_step_4'}" in second.stdout
    assert "step:3 " in second.stdout
    assert "step:2 " not in second.stdout
    trained = out / "global_step_4" / "huggingface"
    AutoProcessor.from_pretrained(trained)
    Qwen2_5_VLForConditionalGeneration.from_pretrained(trained)


@pytest.mark.training
def test_verl_reinforces_on_a_cpu(
    drawn_rows: Path,
    tiny_model: Path,
    tmp_path: Path,
    bin_folder: Path,
) -> None:
    from transformers import Qwen2_5_VLForConditionalGeneration

    rows, out = drawn_rows / "rlvr", tmp_path / "run"
    reward = "reward.custom_reward_function.reward_kwargs"
    command = [
        sys.executable, "-m", "recipes.launch", "grpo", "recipes/tiny_cpu/grpo_tiny.yaml",
        f"data.train_files={rows / 'train-00000.parquet'}",
        f"data.val_files={rows / 'valid-00000.parquet'}",
        f"actor_rollout_ref.model.path={tiny_model}", f"trainer.default_local_dir={out}",
        "data.train_batch_size=4", "actor_rollout_ref.actor.ppo_mini_batch_size=4",
        "actor_rollout_ref.ref.log_prob_micro_batch_size_per_gpu=32",
        "actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu=32",
        "data.max_response_length=64", "trainer.total_training_steps=2", "trainer.save_freq=2",
        "trainer.test_freq=2",
        # What an untrained model says earns nothing, but some of it is shorter.
        f"{reward}.preset=upstream", f"+{reward}.weights={{brevity:1.0}}",
        f"+{reward}.free_words=18", f"+{reward}.most_words=60",
    ]  # fmt: skip
    done = run_command(command, env={**CPU, **CPU_ROLLOUT}, cwd=REPOSITORY)
    assert f"done: {out / 'global_step_2'}" in done.stdout
    actor, merged = out / "global_step_2" / "actor", tmp_path / "merged"
    assert (actor / "huggingface" / "model.safetensors").is_file()
    script = REPOSITORY / "recipes" / "qwen2_5_vl" / "merge.sh"
    path = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
    run_command([script, actor, merged], env={**CPU, "PATH": path})
    Qwen2_5_VLForConditionalGeneration.from_pretrained(merged)
    # The weights that the rollout samples from are the trainer's.
    correlations = metric("rollout_actor_probs_pearson_corr", done.stdout)
    assert len(correlations) == 2
    assert min(correlations) > 0.999
    assert all(norm > 0 for norm in metric("actor/grad_norm", done.stdout))


def metric(name: str, output: str) -> list[float]:
    return [float(value) for value in re.findall(rf"{name}:([-+.\de]+)", output)]
