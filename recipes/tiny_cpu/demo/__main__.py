"""The whole recipe on a CPU: draw faces, SFT, a skewed cold start, GRPO, merge, evaluate, report.

    python -m recipes.tiny_cpu.demo --out out/demo-train
    python -m recipes.tiny_cpu.demo --out out/demo-grpo --start recipes/tiny_cpu/checkpoint
    python -m recipes.tiny_cpu.demo --out out/demo-rare --cold-start official

Every stage is the command that a user would run, with a tiny model and fewer steps:

* **SFT** teaches an untrained model to see, on faces of all labels alike: first on few, again and
  again, then on many. Repetition is what gets a small transformer off the plateau on which it has
  learned the format and guesses the label; variety is what makes it see (F. Charton and J. Kempe,
  "Emergent properties with repeated examples", arXiv 2410.07041).
* **Cold start**: a little more SFT, on what a careless teacher leaves: labels that are skewed, and
  half of the answers without tags. What the model sees, it no longer says, or says so that it
  does not count.
* **GRPO** mends that, with the default reward, on faces of all labels alike. In minutes it mends
  habits and not eyesight.

Labels of the cold start are skewed by the square roots of the official counts, as
`unifer-data rlvr --balance-classes sqrt` leaves them. `--cold-start official` keeps them as rare as
they are: then contempt is never answered, no rollout is rewarded for it, and GRPO cannot bring it
back.

All are evaluated by lmms-eval on faces that none was trained on. A stage whose result is there
is not run again, so an interrupted run resumes where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from data_prep.synthetic.stand_in_training import Labels
from recipes.tiny_cpu.demo.needs import NeedsError, check_memory, minutes
from recipes.tiny_cpu.demo.summary import write_summary
from recipes.tiny_cpu.environment import ENVIRONMENT
from recipes.tiny_cpu.memory import available_memory
from recipes.training.runs.checkpoints import newest_checkpoint
from recipes.training.runs.metrics import MetricsError, read_metrics
from recipes.training.runs.rollouts import RolloutsError
from unifer_tasks.support.files import atomic_write

_SECONDS = "seconds.json"
_CORES = os.cpu_count() or 1
# Of SFT. Two of one thread are a seventh faster than one whose loader has the other core.
_RANKS = min(2, _CORES)
_SFT_BATCH = 32

COLD_LABELS: tuple[Labels, ...] = ("sqrt", "official")
"""What the labels of the cold start may be like; the first is the default."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything.

    Attributes:
        faces: Faces of SFT and of GRPO, all labels alike.
        few: How many of these the first SFT sees.
        skewed: Faces of the cold start.
        untagged: Share of the cold start's responses that answer without tags.
        held_out: Faces for each label of each dataset to evaluate on.
        few_steps: Steps of the first SFT, of `_SFT_BATCH` faces.
        sft_steps: Steps of the second SFT.
        cold_steps: Steps of the cold start.
        grpo_steps: Steps of GRPO.
        prompts: Prompts of a step of GRPO.
    """

    faces: int = 8_000
    few: int = 1_000
    skewed: int = 2_000
    untagged: float = 0.5
    held_out: int = 25
    few_steps: int = 350
    sft_steps: int = 1_100
    cold_steps: int = 60
    grpo_steps: int = 20
    prompts: int = 32


QUICK = Sizes(
    faces=64,
    few=32,
    skewed=64,
    held_out=1,
    few_steps=2,
    sft_steps=2,
    cold_steps=2,
    grpo_steps=2,
    prompts=8,
)


class StageError(Exception):
    """A stage failed; the message says which and where its output is."""


def run(
    out: Path,
    sizes: Sizes,
    *,
    start: Path | None = None,
    cold_labels: Labels = "sqrt",
    seed: int = 1,
) -> Path:
    """Run what is still to be run.

    Args:
        out: The folder of all results.
        sizes: How much of everything.
        start: A trained checkpoint in the place of the first SFT.
        cold_labels: Shares of the labels among the cold start's rows.
        seed: Seed of GRPO's order and sampling.

    Returns:
        The summary, a Markdown file.

    Raises:
        StageError: A stage failed.
    """
    stages = _Stages(out)
    # GRPO meets each face once: without SFT no more are needed.
    faces = sizes.faces if start is None else sizes.grpo_steps * sizes.prompts
    stages.data("--train", faces, "--valid", 32, to="faces")
    stages.data(
        "--train", sizes.skewed, "--valid", 32, "--labels", cold_labels,
        "--untagged", sizes.untagged, to="skewed",
    )  # fmt: skip
    stages.data("--per-class", sizes.held_out, to="held-out")
    models = {}
    if start is None:
        stages.command("untrained model", "ferbench", "tiny-model", out / "untrained")
        models["untrained"] = out / "untrained"
        begun = stages.sft(
            "first SFT", out / "untrained", out / "faces", out / "first-sft", sizes.few_steps,
            f"data.train_max_samples={sizes.few}", "optim.lr_scheduler_type=constant",
        )  # fmt: skip
        models["SFT"] = start = stages.sft(
            "SFT", begun, out / "faces", out / "sft", sizes.sft_steps
        )
    else:
        models["SFT"] = start
    models["cold start"] = stages.sft(
        "cold start", start, out / "skewed", out / "cold-start", sizes.cold_steps,
        "optim.lr=1e-3",
    )  # fmt: skip
    models["GRPO"] = stages.grpo(models["cold start"], sizes.grpo_steps, sizes.prompts, seed)
    results = {name: out / "results" / name.replace(" ", "-") for name in models}
    for name, folder in results.items():
        stages.evaluate(name, models[name], folder)
    named = [f"{name}={folder}" for name, folder in results.items()]
    stages.command(
        "report", "ferbench", "report", *named, "--out", out / "report", "--data", out / "held-out"
    )
    return write_summary(out, results, read_metrics(out / "grpo"), stages.seconds())


class _Stages:
    """Run commands one after another and keeps their output and times."""

    def __init__(self, out: Path) -> None:
        self.out = out
        (out / "logs").mkdir(parents=True, exist_ok=True)

    def data(self, *options: str | float, to: str) -> None:
        self.command(f"draw {to}", "unifer-data", "drawn", "--out", self.out / to, *options)

    def sft(self, name: str, model: Path, data: Path, to: Path, steps: int, *more: str) -> Path:
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

    def grpo(self, model: Path, steps: int, prompts: int, seed: int) -> Path:
        to = self.out / "grpo"
        rows = self.out / "faces" / "rlvr"
        self._launch(
            "GRPO", "grpo",
            f"data.train_files={rows / 'train-00000.parquet'}",
            f"data.val_files={rows / 'valid-00000.parquet'}",
            f"actor_rollout_ref.model.path={model}", f"trainer.default_local_dir={to}",
            f"data.train_batch_size={prompts}",
            f"trainer.total_training_steps={steps}", f"trainer.save_freq={steps}",
            "trainer.test_freq=-1", "trainer.val_before_train=false", f"data.seed={seed}",
        )  # fmt: skip
        merged = self.out / "merged"
        if not (merged / "config.json").is_file():
            self.command("merge", "unifer-train", "merge", self._newest(to), merged)
        return merged

    def evaluate(self, name: str, model: Path, folder: Path) -> None:
        if any(folder.rglob("*_results.json")):
            return
        self.command(
            f"evaluate {name}", "ferbench", "lmms-eval", "--model", "unifer", "--model_args",
            f"pretrained={model},device=cpu", "--batch_size", 50, "--tasks", "ferbench",
            # An untrained model never ends by itself.
            "--gen_kwargs", "max_new_tokens=96", "--output_path", folder, "--log_samples",
            FERBENCH_DATA=str(self.out / "held-out"),
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
            raise StageError(f"{name} failed with exit status {done.returncode}; see {log}")

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


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m recipes.tiny_cpu.demo")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--start",
        type=Path,
        metavar="CHECKPOINT",
        help="a trained model: the first SFT is left out",
    )
    parser.add_argument(
        "--cold-start",
        choices=COLD_LABELS,
        default=COLD_LABELS[0],
        help="labels of the cold start: by the square roots of the official counts, or as rare as "
        "in the official splits, which GRPO cannot mend (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=1, help="of GRPO; default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="a few steps, to see that it runs")
    parser.add_argument(
        "--ignore-memory", action="store_true", help="start even if there is too little memory"
    )
    args = parser.parse_args(argv)
    sizes = QUICK if args.quick else Sizes()
    start = args.start.resolve() if args.start else None
    try:
        print(check_memory(available_memory(), ignored=args.ignore_memory))
        if not args.quick:
            print(minutes(with_sft=start is None))
        summary = run(
            args.out.resolve(), sizes, start=start, cold_labels=args.cold_start, seed=args.seed
        )
    except (NeedsError, StageError, MetricsError, RolloutsError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: interrupted; the same command resumes from here", file=sys.stderr)
        return 130
    print(summary.read_text(encoding="utf-8"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
