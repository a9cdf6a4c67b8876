"""Compare algorithms of GRPO, or response formats, over several seeds, from the demo's cold start.

    python -m recipes.tiny_cpu.demo.compare --out out/compare --start recipes/tiny_cpu/checkpoint
    python -m recipes.tiny_cpu.demo.compare --out out/formats --algorithms grpo \
      --formats reasoned answer_first direct

Every run is `unifer-train grpo --config tiny algorithm=NAME format=NAME data.seed=SEED`, evaluated
by lmms-eval, on faces that none was trained on, with the tasks of its format. Its result is a JSON
file, and a run that has one is not run again: an interrupted comparison resumes, and one of more
seeds adds to it. Where an algorithm has no KL term, the term is computed at a weight of 0, so that
the divergence is known of all.

Each format has the same rows in its own words, and one SFT and cold start, from which all its seeds
begin. Without `--start` that SFT teaches an untrained model to see, as the demo's does. A start is
a model of one format: the others then have the steps of the cold start to learn theirs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from recipes.tiny_cpu.demo.needs import NeedsError, check_memory
from recipes.tiny_cpu.demo.sizes import COLD_LABELS, QUICK, Sizes
from recipes.tiny_cpu.demo.stages import (
    COLD_START,
    INTERRUPTED,
    SFT,
    StageError,
    Stages,
    is_evaluated,
)
from recipes.tiny_cpu.demo.summary import REWARD
from recipes.training.configuration.compose import compose
from recipes.training.configuration.keys import value_at
from recipes.training.configuration.registry import find_configuration, named_files
from recipes.training.plan.available import available_memory
from recipes.training.runs.metrics import MetricsError, read_metrics
from unifer_tasks.protocol.answers.formats import FORMATS, REASONED, ResponseFormat
from unifer_tasks.protocol.variants.listed import BASE, VARIANTS, group_name
from unifer_tasks.redaction.markdown import table
from unifer_tasks.report.figures.assessment import assess_runs
from unifer_tasks.support.command import exit_status
from unifer_tasks.support.files import atomic_write
from unifer_tasks.support.numbers import positive_integer

RARE = "contempt"
SCHEMA = 1
TABLE_NAME = "comparison.md"

# As in the demo's folder, in which a comparison finds its faces, its SFT and its cold start.
_RESULTS = "results"
_OUTCOMES = "outcomes"
# Of the formats that the demo does not have.
_FORMATS = "formats"
_EDGE = 3
_ACTOR = "actor_rollout_ref.actor"
_LENGTH = "response_length/mean"
_KL = "actor/kl_loss"
# Prompts that dynamic sampling sampled and left out: without variance, or once a batch was full.
_LEFT_OUT = ("evicted_samples", "discarded_surplus_samples")
# Two-sided quantiles of Student's t at 0.95, of 1 degree of freedom and on.
_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)


@dataclass(frozen=True, slots=True)
class Scores:
    """What a model earns on held-out faces, each in [0, 1].

    Attributes:
        accuracy: Of all.
        uar: The mean recall of the labels.
        rare: The recall of `RARE`.
        unreadable: The share of answers that cannot be read.
    """

    accuracy: float
    uar: float
    rare: float
    unreadable: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run of an algorithm in a response format.

    Attributes:
        algorithm: Its name.
        seed: Of the order of the rows.
        sizes: Of the comparison; results of others are not comparable.
        scores: Of the trained model.
        first_reward: Mean reward of the first steps, of the groups that were kept.
        last_reward: Likewise, of the last.
        kl: Of the last step: nats a token from the cold start, by verl's k3 estimate.
        length: Tokens of a response in the last step.
        sampled: Prompts that were sampled, those that were left out included.
        seconds: Of GRPO, its start included.
        format: The name of the response format.
    """

    algorithm: str
    seed: int
    sizes: Sizes
    scores: Scores
    first_reward: float
    last_reward: float
    kl: float
    length: float
    sampled: int
    seconds: float
    format: str = REASONED.key


class CompareError(Exception):
    """A comparison that cannot be made; the message names the remedy."""


@dataclass(frozen=True, slots=True)
class Home:
    """Where all runs of a response format lie.

    Attributes:
        out: The folder of the comparison, in which the rows of the benchmark's format are.
        format: What is asked for.
    """

    out: Path
    format: ResponseFormat

    @property
    def folder(self) -> Path:
        """Its folder."""
        return self.out if self.format is REASONED else self.out / _FORMATS / self.format.key

    def results(self, model: str) -> Path:
        """Return the folder of the results of a model that runs begin from."""
        return self.folder / _RESULTS / model.replace(" ", "-")

    def evaluate(self, stages: Stages, name: str, model: Path, to: Path) -> None:
        """Evaluate a model with the tasks of this format."""
        tasks = group_name(VARIANTS.get(self.format.key, BASE))
        stages.evaluate(f"evaluate {name}", model, self.out / "held-out", to, tasks)


def compare(
    out: Path,
    algorithms: Sequence[str],
    seeds: Sequence[int],
    start: Path | None,
    sizes: Sizes,
    formats: Sequence[str] = (REASONED.key,),
) -> Path:
    """Run what is still to be run.

    Args:
        out: The folder of all runs.
        algorithms: Names of algorithms.
        seeds: A run of each algorithm has each.
        start: A trained checkpoint, which the cold start spoils; without one an SFT comes first.
        sizes: How much of everything.
        formats: Names of response formats; each algorithm has runs in each.

    Returns:
        The table, a Markdown file.

    Raises:
        CompareError: The folder holds another comparison, or the start is not a model.
        StageError: A stage failed.
    """
    if start is not None and not (start / "config.json").is_file():
        raise CompareError(f"--start {start} holds no config.json; give a model's folder")
    _check_sizes(out, sizes, start)
    Stages(out).draw(sizes, COLD_LABELS[0], with_sft=start is None)
    homes = [Home(out, FORMATS[name]) for name in formats]
    cold = {home: _cold_start(home, start, sizes) for home in homes}
    for seed, home, algorithm in product(seeds, homes, algorithms):
        result = home.folder / _OUTCOMES / f"{algorithm}-{seed}.json"
        if not result.is_file():
            print(f"format {home.format.key}:")
            outcome = _run(home, algorithm, seed, cold[home], sizes)
            result.parent.mkdir(exist_ok=True)
            _write(result, {"schema": SCHEMA, **asdict(outcome)})
        write_table(out)
    return write_table(out)


def _cold_start(home: Home, start: Path | None, sizes: Sizes) -> Path:
    """Return the model that the runs of a format begin from."""
    print(f"format {home.format.key}:")
    stages = Stages(home.folder)
    if home.folder != home.out:
        stages.reformat(home.out, home.format)
    if start is None:
        start = stages.first_sft(stages.untrained(), sizes)
        home.evaluate(stages, SFT, start, home.results(SFT))
    cold = stages.cold_start(start, sizes.cold_steps)
    home.evaluate(stages, COLD_START, cold, home.results(COLD_START))
    return cold


def _run(home: Home, algorithm: str, seed: int, cold: Path, sizes: Sizes) -> Outcome:
    folder = home.folder / "runs" / f"{algorithm}-{seed}"
    stages = Stages(folder)
    name = f"{algorithm}, seed {seed}"
    config = compose(find_configuration("grpo", "tiny"), [f"algorithm={algorithm}"])
    measured = [] if value_at(config, f"{_ACTOR}.use_kl_loss") else [
        f"{_ACTOR}.use_kl_loss=true", f"{_ACTOR}.kl_loss_coef=0",
    ]  # fmt: skip
    checkpoint = stages.grpo(
        name, cold, home.folder / "faces", folder / "grpo", sizes.grpo_steps, sizes.prompts,
        f"algorithm={algorithm}", f"format={home.format.key}", f"data.seed={seed}", *measured,
    )  # fmt: skip
    home.evaluate(stages, name, checkpoint / "actor" / "huggingface", folder / _RESULTS)
    steps = list(read_metrics(folder / "grpo").values())
    edge = min(_EDGE, len(steps))
    last = steps[-1]
    # The one aggregation that is no mean over tokens divides their sum by a constant.
    scale = value_at(config, f"{_ACTOR}.loss_scale_factor")
    return Outcome(
        algorithm=algorithm,
        seed=seed,
        sizes=sizes,
        scores=read_scores(folder / _RESULTS),
        first_reward=mean(step[REWARD] for step in steps[:edge]),
        last_reward=mean(step[REWARD] for step in steps[-edge:]),
        kl=last[_KL] * (scale / last[_LENGTH] if scale else 1),
        length=last[_LENGTH],
        sampled=sizes.grpo_steps * sizes.prompts + _left_out(steps),
        seconds=stages.seconds()[name],
        format=home.format.key,
    )


def _left_out(steps: Iterable[Mapping[str, float]]) -> int:
    return round(
        sum(step.get(f"training/filter_groups/{name}", 0) for step in steps for name in _LEFT_OUT)
    )


def read_scores(results: Path) -> Scores:
    """Return the scores of a folder that lmms-eval wrote."""
    (model,) = assess_runs([("model", results)])
    pooled = model.strict.pooled
    accuracy, uar, unreadable = (
        pooled.scores[name] or 0.0 for name in ("accuracy", "uar", "unreadable")
    )
    return Scores(accuracy, uar, pooled.classes[RARE].recall, unreadable)


def _check_sizes(out: Path, sizes: Sizes, start: Path | None) -> None:
    path = out / "sizes.json"
    given = {**asdict(sizes), "start": start and str(start)}
    if not path.is_file():
        out.mkdir(parents=True, exist_ok=True)
        _write(path, given)
    elif {**given, **json.loads(path.read_text(encoding="utf-8"))} != given:
        raise CompareError(
            f"{out} holds a comparison of other sizes or of another start ({path.name}); give the "
            "same, or another --out"
        )


def _write(path: Path, content: Mapping[str, Any]) -> None:
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read_outcomes(out: Path) -> list[Outcome]:
    """Return the runs of a comparison that are finished.

    Raises:
        CompareError: A file is not one of theirs.
    """
    folders = (home.folder / _OUTCOMES for home in _homes(out))
    return [_outcome(path) for folder in folders for path in sorted(folder.glob("*.json"))]


def _homes(out: Path) -> list[Home]:
    return [Home(out, each) for each in FORMATS.values()]


def _outcome(path: Path) -> Outcome:
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        if fields.pop("schema") != SCHEMA:
            raise CompareError(f"{path} was written by another version; remove it")
        sizes, scores = Sizes(**fields.pop("sizes")), Scores(**fields.pop("scores"))
        return Outcome(sizes=sizes, scores=scores, **fields)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CompareError(f"{path} is not a result of a run ({error!r}); remove it") from None


def write_table(out: Path) -> Path:
    """Write the table of the runs that are finished; return its file."""
    path = out / TABLE_NAME
    starts = {
        (home.format.key, model): read_scores(folder)
        for home, model in product(_homes(out), (SFT, COLD_START))
        if is_evaluated(folder := home.results(model))
    }
    with atomic_write(path) as partial:
        partial.write_text(comparison(starts, read_outcomes(out)) + "\n", encoding="utf-8")
    return path


def comparison(starts: Mapping[tuple[str, str], Scores], outcomes: Iterable[Outcome]) -> str:
    """Return a table of formats and algorithms: means over seeds, and half of a 95 % interval.

    Args:
        starts: (format, model) -> scores of a model that runs begin from.
        outcomes: Runs.
    """
    by_name: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in outcomes:
        by_name.setdefault((outcome.format, outcome.algorithm), []).append(outcome)
    rows = [(*names, "-", *_percents([scores]), *["-"] * 5) for names, scores in starts.items()]
    rows += [_row(names, runs) for names, runs in sorted(by_name.items())]
    # The sort keeps what runs begin from before them.
    rows.sort(key=lambda row: list(FORMATS).index(row[0]))
    head = (
        "format", "model", "seeds", "accuracy, %", "UAR, %", f"{RARE}, %", "unreadable, %",
        "reward gained", "KL, nats a token", "tokens", "prompts sampled", "minutes",
    )  # fmt: skip
    return table(head, rows, range(3, len(head)))


def _row(names: tuple[str, str], runs: Sequence[Outcome]) -> tuple[str, ...]:
    return (
        *names,
        ", ".join(str(run.seed) for run in sorted(runs, key=lambda run: run.seed)),
        *_percents([run.scores for run in runs]),
        interval([run.last_reward - run.first_reward for run in runs], 3),
        interval([run.kl for run in runs], 4),
        interval([run.length for run in runs], 1),
        interval([run.sampled for run in runs], 0),
        interval([run.seconds / 60 for run in runs], 1),
    )


def _percents(scores: Sequence[Scores]) -> list[str]:
    columns = zip(*(asdict(one).values() for one in scores), strict=True)
    return [interval([100 * value for value in column], 1) for column in columns]


def interval(values: Sequence[float], digits: int) -> str:
    """Return a mean and, of two values or more, half of its 95 % interval by Student's t."""
    text = f"{mean(values):.{digits}f}"
    n = len(values)
    if n < 2:
        return text
    half = _T[min(n - 1, len(_T)) - 1] * stdev(values) / n**0.5
    return f"{text} ± {half:.{digits}f}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    known = [file.name for file in named_files("algorithm")]
    sizes = Sizes()
    parser = argparse.ArgumentParser(
        prog="python -m recipes.tiny_cpu.demo.compare",
        description="Compare algorithms of GRPO, or response formats, over several seeds, from "
        "the demo's cold start.",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--start", type=Path, metavar="CHECKPOINT",
        help="a trained tiny model: the first SFT is left out",
    )  # fmt: skip
    parser.add_argument(
        "--algorithms", nargs="+", choices=known, default=known, metavar="NAME",
        help=f"of {', '.join(known)}; default: all",
    )  # fmt: skip
    parser.add_argument(
        "--formats", nargs="+", choices=FORMATS, default=[REASONED.key], metavar="NAME",
        help=f"of {', '.join(FORMATS)}; default: {REASONED.key}",
    )  # fmt: skip
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[1, 2, 3], metavar="N", help="default: 1 2 3"
    )
    for name, default, what in (
        ("cold-steps", sizes.cold_steps, "steps of the cold start"),
        ("steps", sizes.grpo_steps, "steps of GRPO"),
        ("prompts", sizes.prompts, "prompts of a step"),
        ("held-out", sizes.held_out, "held-out faces for each label of each dataset"),
    ):
        parser.add_argument(
            f"--{name}", type=positive_integer, default=default, metavar="N",
            help=f"{what}; default: %(default)s",
        )  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="a few steps, to see that it runs")
    parser.add_argument(
        "--ignore-memory", action="store_true", help="start even if there is too little memory"
    )
    args = parser.parse_args(argv)
    sizes = QUICK if args.quick else replace(
        sizes, cold_steps=args.cold_steps, grpo_steps=args.steps, prompts=args.prompts,
        held_out=args.held_out,
    )  # fmt: skip

    def comparison() -> int:
        print(check_memory(available_memory(), ignored=args.ignore_memory))
        out, start = args.out.resolve(), args.start and args.start.resolve()
        found = compare(out, args.algorithms, args.seeds, start, sizes, args.formats)
        print(found.read_text(encoding="utf-8"))
        return 0

    errors = (CompareError, MetricsError, NeedsError, StageError)
    return exit_status("compare", comparison, errors, interrupted=INTERRUPTED)


if __name__ == "__main__":
    sys.exit(main())
