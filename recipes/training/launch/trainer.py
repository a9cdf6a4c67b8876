"""The process of verl's trainer: its command line and its environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from recipes.tiny_cpu.environment import ENVIRONMENT as CPU_ENVIRONMENT
from recipes.training.configuration.compose import search_path
from recipes.training.configuration.overrides import quote
from recipes.training.configuration.settings import ConfigurationError, Settings, TrainerSettings
from recipes.training.launch.cleanup import RUN_VARIABLE
from recipes.training.runs.metrics import PATH_VARIABLE
from unifer_tasks.redaction.secrets import redact_settings

_MODULES = {"sft": "verl.trainer.sft_trainer", "grpo": "verl.trainer.main_ppo"}


def command(settings: Settings, added: Mapping[str, str]) -> list[str]:
    """Return the command that starts the trainer.

    Args:
        settings: Of the run.
        added: What its environment has besides this process's.

    Raises:
        ConfigurationError: The variables that give a node its place among several are missing.
    """
    launcher = [sys.executable]
    if settings.stage == "sft":
        launcher += ["-m", "torch.distributed.run", *_rendezvous(settings.trainer)]
    file, overrides = settings.file, settings.overrides
    return [
        *launcher, "-m", _MODULES[settings.stage],
        "--config-path", str(file.parent.resolve()), "--config-name", file.stem,
        search_path(file),
        # hydra keeps its own notes in the working directory unless another is given.
        f"hydra.run.dir={quote(str(settings.trainer.folder / 'hydra'))}",
        *overrides,
        # It would keep credentials as they are, beside a record that does not.
        *(["hydra.output_subdir=null"] if redact_settings(overrides) != overrides else []),
        *(_ray_overrides(os.environ, added) if settings.stage == "grpo" else []),
    ]  # fmt: skip


def added_environment(settings: Settings, metrics: Path) -> dict[str, str]:
    """Return the variables that the trainer and its workers have besides this process's.

    Args:
        settings: Of the run.
        metrics: The file for verl's `file` logger.
    """
    folder = settings.trainer.folder
    defaults = {"TENSORBOARD_DIR": str(folder / "tensorboard")}
    if settings.trainer.device == "cpu":
        defaults.update(CPU_ENVIRONMENT)
    return {
        **{name: value for name, value in defaults.items() if name not in os.environ},
        RUN_VARIABLE: str(folder),
        PATH_VARIABLE: str(metrics),
    }


def node_rank(settings: Settings) -> int:
    """Return this node's number among those that run a launcher each: SFT on several nodes."""
    is_alone = settings.stage == "grpo" or settings.trainer.nodes == 1
    return 0 if is_alone else int(os.environ.get("NODE_RANK", 0))


def _rendezvous(trainer: TrainerSettings) -> list[str]:
    """Return options of torchrun: one node by itself, several by the variables of slurm scripts."""
    processes = ["--nproc_per_node", str(trainer.gpus_per_node)]
    if trainer.nodes == 1:
        return ["--standalone", *processes]
    address = os.environ.get("MASTER_ADDR")
    rank = os.environ.get("NODE_RANK")
    if address is None or rank is None:
        raise ConfigurationError(
            f"trainer.nnodes={trainer.nodes} needs MASTER_ADDR and NODE_RANK in the environment "
            "of each node's launcher; slurm.sbatch sets them"
        )
    port = os.environ.get("MASTER_PORT", "29500")
    nodes = ["--nnodes", str(trainer.nodes), "--node_rank", rank]
    return [*nodes, *processes, "--master_addr", address, "--master_port", port]


def _ray_overrides(environment: Mapping[str, str], added: Mapping[str, str]) -> list[str]:
    """Return overrides of GRPO for the ray that it runs on.

    Args:
        environment: Of this process. If it has RAY_ADDRESS, ray runs already, and refuses to be
            told its size.
        added: Variables that workers on every node shall have.
    """
    init = "ray_kwargs.ray_init"
    workers = [f"+{init}.runtime_env.env_vars.{key}={quote(text)}" for key, text in added.items()]
    if "RAY_ADDRESS" not in environment:
        return workers
    return [*workers, *(f"++{init}.{key}=null" for key in ("num_cpus", "num_gpus"))]
