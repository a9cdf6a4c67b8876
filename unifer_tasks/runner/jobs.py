"""Presets as processes: started, watched, ended, remembered.

Each model has a folder: the configuration as it was run (`config.yaml`), its answers
(`answers-0.jsonl`), how far it is (`progress.json`), what it printed (`log.txt`), lmms-eval's
output (`results/`) and, once all questions are answered, what that was a run of (`done.json`).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any

import yaml
from tqdm import tqdm

from unifer_tasks.data.results_file import RESULTS
from unifer_tasks.harness.evaluator import MODELS
from unifer_tasks.harness.options import ranking_problem
from unifer_tasks.harness.requests.model_files import digest_files
from unifer_tasks.harness.requests.progress import Progress, forget_progress, read_progress
from unifer_tasks.harness.selection import (
    TaskError,
    check_before_start,
    question_counts,
    selected,
)
from unifer_tasks.redaction.characters import without_colors
from unifer_tasks.redaction.secrets import Concealed, conceal, redact
from unifer_tasks.runner.presets import Preset, PresetError, model_arguments
from unifer_tasks.support.extras import BACKENDS
from unifer_tasks.support.files import atomic_write, explain
from unifer_tasks.support.records import FileError, RecordError, read_json, record

_WORKER = (sys.executable, "-m", "unifer_tasks.runner.worker", "--log_samples")
_POLL_SECONDS = 0.5
_SCORERS = ("unifer", "lmms-eval")
_END_SECONDS = 10
"""How long a process that was asked to end may take."""


@dataclass(frozen=True, slots=True)
class Job:
    """A model to run.

    Attributes:
        preset: The model.
        settings: The lmms-eval configuration, changes of this run included.
        folder: Where everything of it is kept.
        data: Digest of the benchmark's manifest.
    """

    preset: Preset
    settings: Mapping[str, Any]
    folder: Path
    data: str

    @property
    def kept(self) -> Concealed:
        """The settings as the folder keeps them, and what the process is given beside them."""
        return conceal(dict(self.settings))

    @property
    def tasks(self) -> tuple[str, ...]:
        """The names and patterns of the tasks that are asked."""
        return tuple(str(self.settings["tasks"]).split(","))

    @property
    def progress(self) -> Progress | None:
        """How far it is; None if it has asked no question."""
        return read_progress(self.folder)

    def n_requests(self, *tasks: str) -> int:
        """Return how many requests the run makes for tasks of FERBench: for these, or for all."""
        given = self.settings
        asked = selected(tasks or self.tasks)
        counts = question_counts(asked, given.get("limit"), given.get("offset"))
        return sum(counts.values()) * int(given.get("repeats") or 1)

    @property
    def results(self) -> Path:
        """lmms-eval's output folder."""
        return self.folder / "results"

    @property
    def log(self) -> Path:
        """What the processes printed."""
        return self.folder / "log.txt"

    def is_done(self) -> bool:
        """Return whether the same run has ended before, with an answer to every question.

        Raises:
            FileError: What the folder says of it is damaged.
        """
        path = self.folder / "done.json"
        try:
            done = record(_Identity, read_json(path))
        except FileNotFoundError:
            return False
        except RecordError as error:
            raise FileError(f"{path} {error}; remove it to run the model again") from None
        return done == self._identity() and any(self.results.rglob(RESULTS))

    def remember(self) -> None:
        """Note that the run has ended."""
        with atomic_write(self.folder / "done.json") as partial:
            partial.write_text(
                json.dumps(asdict(self._identity()), indent=2) + "\n", encoding="utf-8"
            )

    def _identity(self) -> _Identity:
        arguments = model_arguments(self.settings)
        return _Identity(
            self.kept.settings,
            self.data,
            dict(digest_files(arguments.values(), arguments.get("revision"))),
            {name: _version(name) for name in _SCORERS},
        )


@dataclass(frozen=True, slots=True)
class _Identity:
    """All that the results of a run depend on; versions, since a newer one may score otherwise."""

    settings: Mapping[str, Any]
    data: str
    files: Mapping[str, str]
    versions: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class JobResult:
    """A job whose process has ended.

    Attributes:
        job: The job.
        status: The process's exit status; 0 is success.
        progress: The last that it reported; None if it asked no question.
    """

    job: Job
    status: int
    progress: Progress | None

    @property
    def cause(self) -> str:
        """The exit status or the signal that ended the process."""
        if self.status >= 0:
            return f"exit status {self.status}"
        name = signal.Signals(-self.status).name
        hint = ": the machine may be out of memory" if name == "SIGKILL" else ""
        return f"killed by {name}{hint}"

    def tail(self, n_lines: int = 12) -> str:
        """Return the last lines that it printed, without colors."""
        lines = self.job.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return without_colors("\n".join(lines[-n_lines:]))


def check(jobs: Sequence[Job], gpus: Sequence[str] | None) -> None:
    """Find what would make a job fail, before the first starts.

    Raises:
        PresetError: A task does not exist, a key is not in the environment, a model needs more GPUs
            than there are, or its back end is not installed, or tells no likelihoods where a task
            asks for them.
    """
    for tasks, path in {(job.tasks, job.settings.get("include_path")) for job in jobs}:
        try:
            check_before_start(tasks, path)
        except TaskError as error:
            raise PresetError(str(error)) from None
    problems = [
        f"{job.preset.name}: set {job.preset.card.key} to the key of the API"
        for job in jobs
        if job.preset.card.key and not os.environ.get(job.preset.card.key)
    ]
    problems += [
        f"{job.preset.name}: needs {job.preset.gpus} GPUs, --gpus names {len(gpus)}"
        for job in jobs
        if gpus is not None and job.preset.gpus > len(gpus)
    ]
    problems += [
        f"{job.preset.name}: needs {missing[0]}: {need.install}"
        for job in jobs
        if (need := BACKENDS.get(job.preset.backend)) and (missing := need.missing())
    ]
    problems += [
        f"{job.preset.name}: {problem}"
        for job in jobs
        if job.preset.backend not in MODELS
        and (problem := ranking_problem(job.preset.backend, selected(job.tasks)))
    ]
    if problems:
        raise PresetError("these models cannot be run\n  " + "\n  ".join(problems))


def run_jobs(jobs: Sequence[Job], gpus: Sequence[str] | None = None) -> Iterator[JobResult]:
    """Run jobs and show how far they are; return each as it ends.

    Args:
        jobs: In the order in which they are to start.
        gpus: Run side by side on these, each model on as many as it needs; by default one
            model after the other, on whatever the environment shows it.
    """
    waiting = deque(jobs)
    free = list(gpus or ())
    running: list[_Running] = []
    try:
        while waiting or running:
            for job in [*waiting]:
                if gpus is None and running:
                    break
                if gpus is None or job.preset.gpus <= len(free):
                    own = [] if gpus is None else [free.pop(0) for _ in range(job.preset.gpus)]
                    waiting.remove(job)
                    running.append(_start(job, own))
            time.sleep(_POLL_SECONDS)
            for process in [*running]:
                process.show()
                if (status := process.popen.poll()) is not None:
                    running.remove(process)
                    free.extend(process.gpus)
                    process.close()
                    yield JobResult(process.job, status, process.job.progress)
    finally:
        for process in running:
            process.end()


@dataclass(slots=True)
class _Running:
    job: Job
    popen: subprocess.Popen[bytes]
    copier: threading.Thread
    gpus: list[str]
    bar: tqdm[Any] | None = field(default=None)

    def show(self) -> None:
        progress = self.job.progress
        if progress is None:
            return
        if self.bar is None:
            # Only now, so that the time of loading is not taken for that of answering.
            self.bar = tqdm(
                total=progress.total,
                initial=progress.reused,
                desc=self.job.preset.name,
                unit="question",
                dynamic_ncols=True,
            )
        self.bar.set_postfix(failed=progress.failed, refresh=False)
        self.bar.update(progress.answered + progress.failed - self.bar.n)

    def end(self) -> None:
        # The group, since back ends start processes of their own, which may outlive the first.
        for signal_, seconds in ((signal.SIGTERM, _END_SECONDS), (signal.SIGKILL, None)):
            try:
                os.killpg(self.popen.pid, signal_)
                self.popen.wait(seconds)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        self.close()

    def close(self) -> None:
        self.copier.join()
        assert self.popen.stdin is not None
        self.popen.stdin.close()
        if self.bar is not None:
            self.bar.close()


def _start(job: Job, gpus: list[str]) -> _Running:
    job.folder.mkdir(parents=True, exist_ok=True)
    forget_progress(job.folder)
    config = job.folder / "config.yaml"
    with atomic_write(config) as partial:
        partial.write_text(yaml.safe_dump(job.kept.settings, sort_keys=False), encoding="utf-8")
    environment = {**os.environ, **job.kept.environment}
    if gpus:
        environment["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
    popen = subprocess.Popen(
        [*_WORKER, "--config", config, "--output_path", job.results, "--use_cache", job.folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=True,
    )
    copier = threading.Thread(target=_copy, args=(popen.stdout, job.log, environment), daemon=True)
    copier.start()
    return _Running(job, popen, copier, gpus)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _copy(lines: IO[bytes], path: Path, environment: Mapping[str, str]) -> None:
    """Append what a process prints to its log, less what a terminal overwrites, and less keys."""
    try:
        with path.open("a", encoding="utf-8") as log:
            for line in lines:
                text = line.decode("utf-8", errors="replace").rstrip("\r\n").rpartition("\r")[2]
                log.write(redact(text, environment) + "\n")
                log.flush()
    except OSError as error:
        error.filename = str(path)
        print(f"WARNING: what the model prints is not kept: {explain(error)}", file=sys.stderr)
    # A process whose output nobody reads would wait for ever.
    for _ in lines:
        continue
