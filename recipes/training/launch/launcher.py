"""Runs a stage of the recipe in verl so that a failure cannot pass for a success.

    python -m recipes.training.launch.launcher sft recipes/qwen2_5_vl/sft_7b.yaml data.train_files=... [OVERRIDE]
    python -m recipes.training.launch.launcher grpo recipes/qwen2_5_vl/grpo_7b.yaml data.train_files=... [OVERRIDE]

Before: `preflight`; what an earlier run left is ended; the run is recorded beside its checkpoints,
and goes on from the newest whole one. During: the log is kept there too and watched; a run whose
worker was killed is ended (`fatal`; verl waits for it), and so is one that says nothing for too
long (a weight sync that failed hangs). After: groups that verl
dropped, a missing checkpoint and a non-zero exit are all failures, told by the exit status.
"""

from __future__ import annotations

import argparse
import math
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from recipes.training.checks.batches import total_steps
from recipes.training.checks.preflight import PreflightError, n_rows, preflight
from recipes.training.checks.rows import Stage
from recipes.training.configuration.overrides import OverrideError, check_overrides, quote, quoted
from recipes.training.launch.cleanup import RUN_VARIABLE, RunningError, sole_run
from recipes.training.launch.fatal import Failure, find_failure, more_telling
from recipes.training.runs.checkpoints import (
    CheckpointError,
    name_newest,
    newest_checkpoint,
    resumable,
    step_of,
)
from recipes.training.runs.record import Record, record_run, write_record
from unifer_tasks.support.extras import TRAIN, MissingModuleError, require
from unifer_tasks.support.secrets import learn, redact, redact_settings, redacted_output

LOG_NAME = "train.log"

GRACE = 10.0
"""Seconds that a trainer is given to end by itself after a line that nothing can follow."""

_MOMENT = 1.0

_READ = re.compile(r"train dataset size: (\d+), val dataset size: (\d+)")
_DROPPED = re.compile(r"Error in _run_prompt|Error in compute_score|reward.*Traceback", re.I)
_TRAINERS = {"sft": "verl.trainer.sft_trainer", "grpo": "verl.trainer.main_ppo"}


class RunError(Exception):
    """A run that did not do what it was started for."""


def compose(config: Path, overrides: Sequence[str]) -> dict[str, Any]:
    """Return the configuration as verl's trainer will see it.

    Args:
        config: A YAML file of a recipe.
        overrides: As on the command line, or as returned by `quoted`.

    Raises:
        OverrideError: There is no such file, or an override cannot be meant.
    """
    if not config.is_file():
        raise OverrideError(_no_config(config))
    given = quoted(overrides)
    if given:
        check_overrides(_compose(config, []), given)
    return _compose(config, given)


def _compose(config: Path, overrides: list[str]) -> dict[str, Any]:
    from hydra import compose as compose_config
    from hydra import initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import InterpolationKeyError, OmegaConfBaseException

    try:
        with initialize_config_dir(str(config.parent.resolve()), version_base=None):
            composed = compose_config(config.stem, overrides=overrides)
        resolved = OmegaConf.to_container(composed, resolve=True)
    except InterpolationKeyError as error:
        raise OverrideError(
            f"{error.full_key}: {str(error).splitlines()[0]}; ${{...}} names another setting, and "
            "is text where a backslash stands before it"
        ) from None
    except (HydraException, OmegaConfBaseException) as error:
        raise OverrideError(f"{config}: {str(error).splitlines()[0]}") from None
    assert isinstance(resolved, dict)
    return {str(key): value for key, value in resolved.items()}


def _no_config(config: Path) -> str:
    """Say which sizes of a stage there are beside a file that is not there."""
    # What was given in the place of a size may hold slashes.
    folder = next((path for path in config.parents if path.is_dir()), Path())
    stage, _, size = str(config.relative_to(folder).with_suffix("")).partition("_")
    found = (path.stem.removeprefix(f"{stage}_") for path in folder.glob(f"{stage}_*.yaml"))
    sizes = sorted(found, key=lambda name: (len(name), name))
    if not stage or not sizes:
        return f"{config} is not a file; give a YAML file of a recipe"
    return f"there is no size {size!r} ({config}); give one of {', '.join(sizes)}"


def command(stage: Stage, config: Path, settings: Mapping[str, Any]) -> list[str]:
    """Returns the command that starts the trainer, without its overrides."""
    trainer = settings["trainer"]
    launcher = [sys.executable]
    if stage == "sft":
        launcher += ["-m", "torch.distributed.run", *_rendezvous(trainer)]
    where = ["--config-path", str(config.parent.resolve()), "--config-name", config.stem]
    # hydra keeps its own notes in the working directory unless it is told where.
    notes = f"hydra.run.dir={quote(str(trainer['default_local_dir']) + '/hydra')}"
    return [*launcher, "-m", _TRAINERS[stage], *where, notes]


def _rendezvous(trainer: Mapping[str, Any]) -> list[str]:
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


def cluster_overrides(environment: Mapping[str, str], run: Path) -> list[str]:
    """Returns overrides of GRPO for the ray that it runs on.

    Args:
        environment: If it has RAY_ADDRESS, ray runs already, and refuses to be told its size.
        run: The run's folder; workers on every node are marked with it.
    """
    mark = f"+ray_kwargs.ray_init.runtime_env.env_vars.{RUN_VARIABLE}={quote(str(run))}"
    if "RAY_ADDRESS" not in environment:
        return [mark]
    return [mark, *(f"++ray_kwargs.ray_init.{key}=null" for key in ("num_cpus", "num_gpus"))]


def run(
    arguments: Sequence[str],
    log: Path,
    stall_minutes: float,
    environment: Mapping[str, str] | None = None,
    rows: tuple[int, int] | None = None,
) -> int:
    """Runs a command, shows and keeps what it prints.

    Args:
        arguments: The command.
        log: Appended to.
        stall_minutes: How long it may say nothing.
        environment: Its environment; this process's by default.
        rows: Rows to train and to validate on, if it says how many it read.

    Returns:
        How many times it said that a prompt's rollout or reward failed.

    Raises:
        RunError: It failed, stalled, lost a worker, or read fewer rows than there are.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    dropped = 0
    failure: Failure | None = None
    process = subprocess.Popen(
        arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment,
        start_new_session=True,
    )
    try:
        with log.open("a", encoding="utf-8") as file:
            ends = math.inf
            for line in _lines(process, stall_minutes * 60):
                if line:
                    line = redact(line)
                    print(line, end="", flush=True)
                    file.write(line)
                    dropped += bool(_DROPPED.search(line))
                    _compare_rows(line, rows)
                    if found := find_failure(line):
                        # A trainer that can end by itself is given the time to; what comes
                        # meanwhile may be nearer to the cause.
                        ends = min(ends, time.monotonic() + GRACE)
                        failure = more_telling(failure, found)
                if time.monotonic() > ends:
                    raise RunError(f"the run cannot go on and was ended: {failure} (see {log})")
        status = process.wait()
    except BaseException:
        _kill_group(process.pid)
        process.wait()
        raise
    if status:
        _kill_group(process.pid)
        why = f": {failure}" if failure else _killed(status)
        raise RunError(f"the trainer exited {status}{why}; see {log}")
    return dropped


def _kill_group(leader: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def _killed(status: int) -> str:
    """Say what a negative exit status means."""
    if status == -signal.SIGKILL:
        return " (SIGKILL): the kernel does that where memory runs out (see `dmesg`), or a user"
    return f" ({signal.Signals(-status).name})" if status < 0 else ""


def _compare_rows(line: str, rows: tuple[int, int] | None) -> None:
    """The PPO trainer leaves out rows that raise while they are filtered."""
    read = _READ.search(line)
    if read is None or rows is None:
        return
    for part, there, got in zip(("train", "validate"), rows, map(int, read.groups()), strict=True):
        if got != there:
            raise RunError(
                f"verl reads {got:,} of {there:,} rows to {part} on; the others are too long or "
                "damaged: see `unifer-data verify`, and data.filter_overlong_prompts"
            )


def _lines(process: subprocess.Popen[str], seconds: float) -> Iterator[str]:
    """Yield what a process prints until it ends; nothing at all where it is silent for a moment.

    Its end counts, not that of its output, which workers that outlive it keep open.

    Raises:
        RunError: It was silent for too long.
    """
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    heard = time.monotonic()
    while True:
        try:
            line = lines.get(timeout=min(seconds, _MOMENT))
        except queue.Empty:
            if process.poll() is not None:
                return
            if time.monotonic() - heard >= seconds:
                raise RunError(
                    f"the trainer said nothing for {seconds / 60:g} minutes and was ended; "
                    "a weight sync that failed hangs like this (see --stall-minutes)"
                ) from None
            yield ""
            continue
        if line is None:
            return
        heard = time.monotonic()
        yield line


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
        OverrideError: An override cannot be meant; nothing was started.
        PreflightError: The run cannot succeed; nothing was started.
        RunningError: Another run is at work in the folder.
        CheckpointError: The run's checkpoints do not admit going on.
        RunError: It did not succeed.
    """
    learn(list(overrides))
    settings = compose(config, overrides)
    overrides = quoted(overrides)
    rows = preflight(stage, settings)
    for file, n in rows.items():
        print(f"{n:>9,} rows   {file}")
    out = Path(settings["trainer"]["default_local_dir"]).resolve()
    with sole_run(out):
        if _is_finished(stage, settings, rows, out):
            print("all steps are done; nothing is left to do")
        else:
            record = record_run(stage, settings, overrides, rows)
            if _node(stage, settings) == 0:
                write_record(out, record)
            _train(stage, config, record, out, stall_minutes)
    checkpoint = newest_checkpoint(out)
    if checkpoint is None:
        raise RunError(f"the trainer ended well and left no checkpoint in {out}")
    return checkpoint


def _node(stage: Stage, settings: Mapping[str, Any]) -> int:
    """This node's number among those that run a launcher each: SFT on several nodes."""
    alone = stage == "grpo" or settings["trainer"]["nnodes"] == 1
    return 0 if alone else int(os.environ.get("NODE_RANK", 0))


def _is_finished(
    stage: Stage, settings: Mapping[str, Any], rows: Mapping[str, int], out: Path
) -> bool:
    """Readies the run's folder for resuming; tells whether its last step is there."""
    trainer = settings["trainer"]
    if trainer["resume_mode"] != "auto":
        return False
    newest = resumable(out, trainer["n_gpus_per_node"] * trainer["nnodes"])
    if newest is None:
        return False
    if _node(stage, settings) == 0:
        name_newest(newest)
    return step_of(newest) >= total_steps(settings, n_rows(settings, "train", rows))


def _train(stage: Stage, config: Path, record: Record, out: Path, stall_minutes: float) -> None:
    started = [*command(stage, config, record.config), *record.overrides]
    if redact_settings(record.overrides) != record.overrides:
        # hydra would keep them as they are, beside a record that does not.
        started.append("hydra.output_subdir=null")
    environment = {**os.environ, RUN_VARIABLE: str(out)}
    node = _node(stage, record.config)
    log = out / (f"node{node}-{LOG_NAME}" if node else LOG_NAME)
    rows = None
    if stage == "grpo":
        started += cluster_overrides(environment, out)
        rows = record.n_rows("train"), record.n_rows("val")
    dropped = run(started, log, stall_minutes, environment, rows)
    if dropped:
        raise RunError(f"verl dropped {dropped:,} groups whose rollout or reward failed; see {log}")


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    """Turns a request to end (`scancel`, `ray job stop`) into an exception that cleans up."""
    raise RunError(f"ended by {signal.Signals(number).name}")


@redacted_output()
def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m recipes.training.launch.launcher")
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
    signal.signal(signal.SIGTERM, _stop)
    try:
        require("recipes.training.launch.launcher", TRAIN)
        if args.check:
            preflight(args.stage, compose(args.config, args.overrides))
            print("ready")
            return 0
        checkpoint = launch(
            args.stage, args.config, args.overrides, stall_minutes=args.stall_minutes
        )
    except (OverrideError, PreflightError) as error:
        print(f"launch: this run would fail\n{error}", file=sys.stderr)
        return 1
    except (MissingModuleError, RunError, RunningError, CheckpointError) as error:
        print(f"launch: {error}", file=sys.stderr)
        return 1
    print(f"done: {checkpoint}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
