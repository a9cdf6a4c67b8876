"""What verl's trainer is started with: its command line and its environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

pytest.importorskip("verl")

from recipes.tiny_cpu.environment import ENVIRONMENT
from recipes.training.configuration.compose import compose, read_settings
from recipes.training.configuration.overrides import quote
from recipes.training.configuration.settings import ConfigurationError
from recipes.training.launch.trainer import added_environment, command

RUN = "trainer.default_local_dir=/a b/run"
ADDED = {"UNIFER_RUN": "/a b/run", "VERL_FILE_LOGGER_PATH": "/a b/run/metrics/1.jsonl"}


@pytest.mark.parametrize("address", [None, "10.0.0.1:6379"])
def test_workers_get_variables_and_a_ray_that_runs_is_not_told_its_size(
    address: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if address is not None:
        monkeypatch.setenv("RAY_ADDRESS", address)
    settings = read_settings("grpo", "tiny", [RUN])
    started = command(settings, ADDED)
    name = started.index("--config-name")
    given = [word for word in started[name + 2 :] if not word.startswith("hydra.")]
    ray = compose(settings.file, given)["ray_kwargs"]["ray_init"]
    assert ray["runtime_env"]["env_vars"] == ADDED
    assert ray["num_gpus"] == (1 if address is None else None)
    assert ("++ray_kwargs.ray_init.num_cpus=null" in started) == (address is not None)


def test_nothing_is_written_outside_of_the_runs_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TENSORBOARD_DIR", raising=False)
    settings = read_settings("grpo", "tiny", [RUN])
    assert f"hydra.run.dir={quote('/a b/run/hydra')}" in command(settings, {})
    added = added_environment(settings, Path("/a b/run/metrics/1.jsonl"))
    assert added["TENSORBOARD_DIR"] == "/a b/run/tensorboard"
    assert ADDED.items() <= added.items()


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("own", [{}, {"VLLM_CPU_KVCACHE_SPACE": "4", "TENSORBOARD_DIR": "/tb"}])
def test_a_cpu_needs_no_variable_of_the_user(
    device: str, own: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*ENVIRONMENT, "TENSORBOARD_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    settings = read_settings("sft", "tiny", [RUN, f"trainer.device={device}"])
    added = added_environment(settings, Path("metrics.jsonl"))
    # What is set already reaches the workers by itself, and ray refuses to be told it twice.
    assert not own.keys() & added.keys()
    assert (added.get("VERL_PLATFORM") == "cpu") == (device == "cpu")
    assert "PYTHONPATH" not in added


def test_credentials_are_not_kept_by_hydra() -> None:
    secret = "+ray_kwargs.ray_init.runtime_env.env_vars.WANDB_API_KEY=0123456789abcdef0123"
    for overrides, is_kept in (([RUN], True), ([RUN, secret], False)):
        started = command(read_settings("grpo", "tiny", overrides), {})
        assert ("hydra.output_subdir=null" in started) is not is_kept


def test_a_node_of_several_is_told_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MASTER_ADDR", "NODE_RANK"):
        monkeypatch.delenv(name, raising=False)
    settings = read_settings("sft", "tiny", [RUN, "trainer.nnodes=2"])
    with pytest.raises(ConfigurationError, match="nnodes=2 needs MASTER_ADDR and NODE_RANK"):
        command(settings, {})
    monkeypatch.setenv("MASTER_ADDR", "node7")
    monkeypatch.setenv("NODE_RANK", "1")
    started = " ".join(command(settings, {}))
    assert "--nnodes 2 --node_rank 1 --nproc_per_node 1 --master_addr node7" in started
