"""Runs a stage of the recipe in verl so that a failure cannot pass for a success.

    python -m recipes.launch sft recipes/qwen2_5_vl/sft_7b.yaml data.train_files=... [OVERRIDE]
    python -m recipes.launch grpo recipes/qwen2_5_vl/grpo_7b.yaml data.train_files=... [OVERRIDE]

Before: `preflight`. During: the log is kept beside the checkpoints and watched; a run that says
nothing for too long is ended (a weight sync that failed hangs). After: groups that verl dropped,
a missing checkpoint and a non-zero exit are all failures, told by the exit status.
"""

from __future__ import annotations

import argparse
import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from recipes.preflight import PreflightError, Stage, preflight

LOG_NAME = "train.log"
SHARED_MEMORY = Path("/dev/shm")

_DROPPED = re.compile(r"Error in _run_prompt|Error in compute_score|reward.*Traceback", re.I)
_TRAINERS = {"sft": "verl.trainer.sft_trainer", "grpo": "verl.trainer.main_ppo"}


class RunError(Exception):
    """A run that did not do what it was started for."""


def compose(config: Path, overrides: Sequence[str]) -> dict[str, Any]:
    """Returns the configuration as verl's trainer will see it.

    Args:
        config: A YAML file of a recipe.
        overrides: hydra overrides, as on verl's command line.
    """
    from hydra import compose as compose_config
    from hydra import initialize_config_dir
    from omegaconf import OmegaConf

    with initialize_config_dir(str(config.parent.resolve()), version_base=None):
        composed = compose_config(config.stem, overrides=list(overrides))
    resolved = OmegaConf.to_container(composed, resolve=True)
    assert isinstance(resolved, dict)
    return {str(key): value for key, value in resolved.items()}


def command(stage: Stage, config: Path, settings: dict[str, Any]) -> list[str]:
    """Returns the command that starts the trainer, without its overrides."""
    trainer = settings["trainer"]
    launcher = [sys.executable]
    if stage == "sft":
        launcher += ["-m", "torch.distributed.run", *_rendezvous(trainer)]
    where = ["--config-path", str(config.parent.resolve()), "--config-name", config.stem]
    # hydra keeps its own notes in the working directory unless it is told where.
    notes = f"hydra.run.dir={trainer['default_local_dir']}/hydra"
    return [*launcher, "-m", _TRAINERS[stage], *where, notes]


def _rendezvous(trainer: dict[str, Any]) -> list[str]:
    """Options of torchrun: one node by itself, several by the variables that slurm scripts set."""
    processes = ["--nproc_per_node", str(trainer["n_gpus_per_node"])]
    if trainer["nnodes"] == 1:
        return ["--standalone", *processes]
    address = os.environ.get("MASTER_ADDR")
    rank = os.environ.get("NODE_RANK")
    if address is None or rank is None:
        raise RunError("trainer.nnodes > 1 needs MASTER_ADDR and NODE_RANK in the environment")
    port = os.environ.get("MASTER_PORT", "29500")
    nodes = ["--nnodes", str(trainer["nnodes"]), "--node_rank", rank]
    return [*nodes, *processes, "--master_addr", address, "--master_port", port]


def run(arguments: Sequence[str], log: Path, stall_minutes: float) -> int:
    """Runs a command, shows and keeps what it prints.

    Args:
        arguments: The command.
        log: Appended to.
        stall_minutes: How long it may say nothing.

    Returns:
        How many times it said that a prompt's rollout or reward failed.

    Raises:
        RunError: It failed or stalled.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    dropped = 0
    process = subprocess.Popen(
        arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        with log.open("a", encoding="utf-8") as file:
            for line in _lines(process, stall_minutes * 60):
                print(line, end="", flush=True)
                file.write(line)
                dropped += bool(_DROPPED.search(line))
        status = process.wait()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    if status:
        raise RunError(f"the trainer exited {status}; see {log}")
    return dropped


def _lines(process: subprocess.Popen[str], seconds: float) -> Iterator[str]:
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=seconds)
        except queue.Empty:
            raise RunError(
                f"the trainer said nothing for {seconds / 60:g} minutes and was ended; "
                "a weight sync that failed hangs like this (see --stall-minutes)"
            ) from None
        if line is None:
            return
        yield line


def newest_checkpoint(folder: Path) -> Path | None:
    """Returns the newest checkpoint below a run's folder; None if there is none."""
    steps = [path for path in folder.glob("global_step_*") if path.is_dir()]
    return max(steps, key=lambda path: int(path.name.rpartition("_")[2]), default=None)


def launch(
    stage: Stage, config: Path, overrides: Sequence[str], *, stall_minutes: float = 60
) -> Path:
    """Checks, runs and checks again.

    Args:
        stage: "sft" or "grpo".
        config: A YAML file of a recipe.
        overrides: hydra overrides.
        stall_minutes: How long the trainer may say nothing.

    Returns:
        The newest checkpoint. A run whose folder holds one goes on from there (verl's
        `resume_mode: auto`).

    Raises:
        PreflightError: The run cannot succeed; nothing was started.
        RunError: It did not succeed.
    """
    settings = compose(config, overrides)
    rows = preflight(stage, settings)
    for file, n in rows.items():
        print(f"{n:>9,} rows   {file}")
    out = Path(settings["trainer"]["default_local_dir"])
    standing = set(SHARED_MEMORY.glob("psm_*"))
    try:
        dropped = run(
            [*command(stage, config, settings), *overrides], out / LOG_NAME, stall_minutes
        )
    finally:
        # Each verl run leaves its weight buffers behind.
        for segment in set(SHARED_MEMORY.glob("psm_*")) - standing:
            segment.unlink(missing_ok=True)
    if dropped:
        raise RunError(
            f"verl dropped {dropped:,} groups whose rollout or reward failed; see {out / LOG_NAME}"
        )
    checkpoint = newest_checkpoint(out)
    if checkpoint is None:
        raise RunError(f"the trainer ended well and left no checkpoint in {out}")
    return checkpoint


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m recipes.launch")
    parser.add_argument("stage", choices=("sft", "grpo"))
    parser.add_argument("config", type=Path, metavar="CONFIG.yaml")
    parser.add_argument("overrides", nargs="*", metavar="OVERRIDE", help="hydra overrides")
    parser.add_argument(
        "--stall-minutes",
        type=float,
        default=60,
        help="end a run that says nothing for so long (default: %(default)s)",
    )
    parser.add_argument("--check", action="store_true", help="only check; start nothing")
    args = parser.parse_intermixed_args(argv)
    try:
        if args.check:
            preflight(args.stage, compose(args.config, args.overrides))
            print("ready")
            return 0
        checkpoint = launch(
            args.stage, args.config, args.overrides, stall_minutes=args.stall_minutes
        )
    except PreflightError as error:
        print(f"launch: this run would fail\n{error}", file=sys.stderr)
        return 1
    except RunError as error:
        print(f"launch: {error}", file=sys.stderr)
        return 1
    print(f"done: {checkpoint}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
