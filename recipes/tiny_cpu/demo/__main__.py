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
import sys
from collections.abc import Sequence
from pathlib import Path

from data_prep.synthetic.stand_in_training import Labels
from recipes.tiny_cpu.demo.needs import NeedsError, check_memory, minutes
from recipes.tiny_cpu.demo.sizes import COLD_LABELS, QUICK, Sizes
from recipes.tiny_cpu.demo.stages import COLD_START, INTERRUPTED, SFT, StageError, Stages
from recipes.tiny_cpu.demo.summary import write_summary
from recipes.training.plan.available import available_memory
from recipes.training.runs.metrics import MetricsError, read_metrics
from recipes.training.runs.rollouts import RolloutsError
from unifer_tasks.support.command import exit_status


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
    stages = Stages(out)
    stages.draw(sizes, cold_labels, with_sft=start is None)
    models = {}
    if start is None:
        models["untrained"] = stages.untrained()
        models[SFT] = stages.first_sft(models["untrained"], sizes)
    else:
        models[SFT] = start
    models[COLD_START] = stages.cold_start(models[SFT], sizes.cold_steps)
    models["GRPO"] = stages.merge(
        stages.grpo(
            "GRPO", models[COLD_START], out / "faces", out / "grpo", sizes.grpo_steps,
            sizes.prompts, f"data.seed={seed}",
        ),
        out / "merged",
    )  # fmt: skip
    results = {name: out / "results" / name.replace(" ", "-") for name in models}
    for name, folder in results.items():
        stages.evaluate(f"evaluate {name}", models[name], out / "held-out", folder)
    named = [f"{name}={folder}" for name, folder in results.items()]
    stages.command(
        "report", "ferbench", "report", *named, "--out", out / "report", "--data", out / "held-out"
    )
    return write_summary(out, results, read_metrics(out / "grpo"), stages.seconds())


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

    def demo() -> int:
        print(check_memory(available_memory(), ignored=args.ignore_memory))
        if not args.quick:
            print(minutes(with_sft=start is None))
        summary = run(
            args.out.resolve(), sizes, start=start, cold_labels=args.cold_start, seed=args.seed
        )
        print(summary.read_text(encoding="utf-8"))
        return 0

    errors = (NeedsError, StageError, MetricsError, RolloutsError)
    return exit_status("demo", demo, errors, interrupted=INTERRUPTED)


if __name__ == "__main__":
    sys.exit(main())
