"""The stages of the recipe, each the command that a user would run, with output and times kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from data_prep.synthetic.stand_in_training import Labels
from recipes.tiny_cpu.demo.sizes import Sizes
from recipes.tiny_cpu.environment import ENVIRONMENT
from recipes.training.runs.checkpoints import newest_checkpoint
from unifer_tasks.data.results_file import RESULTS
from unifer_tasks.protocol.answers.formats import ResponseFormat
from unifer_tasks.protocol.variants.listed import group_name
from unifer_tasks.support.files import atomic_write

_SECONDS = "seconds.json"
_CORES = os.cpu_count() or 1
# Of SFT. Two of one thread are a seventh faster than one whose loader has the other core.
_RANKS = min(2, _CORES)
_SFT_BATCH = 32
# Of a stage that failed, to show.
_LOG_LINES = 20
# What `Stages.draw` draws to train on.
_TRAINING_ROWS = ("faces/cot", "faces/rlvr", "skewed/cot")

SFT = "SFT"
COLD_START = "cold start"
INTERRUPTED = "interrupted; the same command resumes from here"


class StageError(Exception):
    """A stage failed; the message says which and where its output is."""


class Stages:
    """Run commands one after another, and keep their output and times in a folder."""

    def __init__(self, out: Path) -> None:
        self.out = out
        (out / "logs").mkdir(parents=True, exist_ok=True)

    def draw(self, sizes: Sizes, cold_labels: Labels, *, with_sft: bool) -> None:
        """Draw the faces of SFT and GRPO, of the cold start and of the evaluation."""
        # GRPO meets each face once: without SFT no more are needed.
        faces = sizes.faces if with_sft else sizes.grpo_steps * sizes.prompts
        self._faces("faces", "--train", faces, "--valid", 32)
        self._faces(
            "skewed", "--train", sizes.skewed, "--valid", 32, "--labels", cold_labels,
            "--untagged", sizes.untagged,
        )  # fmt: skip
        self._faces("held-out", "--per-class", sizes.held_out)

    def reformat(self, drawn: Path, wanted: ResponseFormat) -> None:
        """Write the rows to train on of another folder in a response format."""
        for rows in _TRAINING_ROWS:
            self.command(
                f"reformat {rows.replace('/', ' ')}", "unifer-data", "reformat", drawn / rows,
                "--format", wanted.key, "--out", self.out / rows,
            )  # fmt: skip

    def untrained(self) -> Path:
        """Make the model that knows nothing; return it."""
        self.command("untrained model", "ferbench", "tiny-model", self.out / "untrained")
        return self.out / "untrained"

    def first_sft(self, untrained: Path, sizes: Sizes) -> Path:
        """Teach a model to see; return the model of the last checkpoint."""
        faces = self.out / "faces"
        begun = self.sft(
            "first SFT", untrained, faces, self.out / "first-sft", sizes.few_steps,
            f"data.train_max_samples={sizes.few}", "optim.lr_scheduler_type=constant",
        )  # fmt: skip
        return self.sft(SFT, begun, faces, self.out / "sft", sizes.sft_steps)

    def cold_start(self, model: Path, steps: int) -> Path:
        """Run the SFT that spoils a model; return the model of its last checkpoint."""
        return self.sft(
            COLD_START, model, self.out / "skewed", self.out / "cold-start", steps, "optim.lr=1e-3"
        )

    def _faces(self, to: str, *options: str | float) -> None:
        self.command(f"draw {to}", "unifer-data", "drawn", "--out", self.out / to, *options)

    def sft(self, name: str, model: Path, data: Path, to: Path, steps: int, *more: str) -> Path:
        """Run SFT; return the model of its last checkpoint."""
        self._launch(
            name, "sft",
            f"data.train_files={data / 'cot' / 'train-00000.parquet'}",
            f"data.val_files={data / 'cot' / 'valid-00000.parquet'}",
            f"model.path={model}", f"trainer.default_local_dir={to}",
            f"trainer.total_training_steps={steps}",
            # As many epochs as the steps take.
            "trainer.total_epochs=1000", f"trainer.save_freq={max(1, steps // 2)}",
            f"trainer.test_freq={steps}", f"trainer.n_gpus_per_node={_RANKS}",
            f"data.train_batch_size={_SFT_BATCH}", "data.num_workers=0",
            f"data.micro_batch_size_per_gpu={_SFT_BATCH // _RANKS}", *more,
            threads=_CORES // _RANKS,
        )  # fmt: skip
        return self._newest(to) / "huggingface"

    def grpo(
        self, name: str, model: Path, data: Path, to: Path, steps: int, prompts: int, *more: str
    ) -> Path:
        """Run GRPO; return its last checkpoint."""
        self._launch(
            name, "grpo",
            f"data.train_files={data / 'rlvr' / 'train-00000.parquet'}",
            f"data.val_files={data / 'rlvr' / 'valid-00000.parquet'}",
            f"actor_rollout_ref.model.path={model}", f"trainer.default_local_dir={to}",
            f"data.train_batch_size={prompts}",
            f"trainer.total_training_steps={steps}", f"trainer.save_freq={steps}",
            "trainer.test_freq=-1", "trainer.val_before_train=false", *more,
        )  # fmt: skip
        return self._newest(to)

    def merge(self, checkpoint: Path, to: Path) -> Path:
        """Merge a checkpoint, if that is still to be done; return the model's folder."""
        if not (to / "config.json").is_file():
            self.command("merge", "unifer-train", "merge", checkpoint, to)
        return to

    def evaluate(
        self, name: str, model: Path, data: Path, to: Path, tasks: str = group_name()
    ) -> None:
        """Evaluate a model on held-out faces, if that is still to be done."""
        if is_evaluated(to):
            return
        self.command(
            name, "ferbench", "lmms-eval", "--model", "unifer", "--model_args",
            f"pretrained={model},device=cpu", "--batch_size", 50, "--tasks", tasks,
            # An untrained model never ends by itself.
            "--gen_kwargs", "max_new_tokens=96", "--output_path", to, "--log_samples",
            FERBENCH_DATA=str(data),
        )  # fmt: skip

    def command(
        self, name: str, *command: str | float | Path, threads: int = _CORES, **environment: str
    ) -> None:
        """Run a command; its output goes to a log of the stage's name.

        Raises:
            StageError: It failed.
        """
        log = self.out / "logs" / f"{name.replace(' ', '-')}.log"
        program, *arguments = map(str, command)
        beside = Path(sys.executable).parent / program
        found = [str(beside) if beside.is_file() else program, *arguments]
        with self._timed(name), log.open("a", encoding="utf-8") as output:
            done = subprocess.run(
                found,
                stdout=output,
                stderr=subprocess.STDOUT,
                # ray would give each of its workers one thread.
                env={"OMP_NUM_THREADS": str(threads), **os.environ, **ENVIRONMENT, **environment},
                check=False,
            )
        if done.returncode:
            raise StageError(
                f"{name} failed with exit status {done.returncode}; see {log}, which ends:\n"
                + _end(log)
            )

    def seconds(self) -> Mapping[str, float]:
        """Seconds that each stage took, over all its runs."""
        path = self.out / _SECONDS
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def _launch(self, name: str, stage: str, *overrides: str, threads: int = _CORES) -> None:
        launcher = ("unifer-train", stage, "--config", "tiny", "--stall-minutes", 15)
        self.command(name, *launcher, *overrides, threads=threads)

    def _newest(self, folder: Path) -> Path:
        checkpoint = newest_checkpoint(folder)
        if checkpoint is None:
            raise StageError(f"{folder} holds no checkpoint")
        return checkpoint

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        print(f"{name} ...", end="", flush=True)
        began = time.monotonic()
        try:
            yield
        finally:
            took = time.monotonic() - began
            print(f" {took:,.0f} s", flush=True)
            total = {**self.seconds()}
            total[name] = total.get(name, 0) + took
            with atomic_write(self.out / _SECONDS) as partial:
                partial.write_text(json.dumps(total, indent=2), encoding="utf-8")


def is_evaluated(results: Path) -> bool:
    """Return whether an evaluation has written its results below a folder."""
    return any(results.rglob(RESULTS))


def _end(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:])
