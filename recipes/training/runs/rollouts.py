"""Statistics of the rollouts of GRPO by step: logged, not optimised.

Of a training batch verl logs the reward and no term of it. The recipe has it keep the rollouts of
each step (`trainer.rollout_data_dir`), which are read here as the benchmark reads a response.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from tqdm import tqdm

from unifer_tasks.protocol.answers.outcomes import Outcome
from unifer_tasks.protocol.answers.strict import read_choice
from unifer_tasks.protocol.prompts import listed_labels
from unifer_tasks.redaction.markdown import table

FOLDER = "rollouts"
"""Where a run keeps them: `N.jsonl` of step N, below its `trainer.default_local_dir`."""


class RolloutsError(Exception):
    """A run's rollouts cannot be read; the message names the file, the line and the remedy."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """One response to a training prompt.

    Attributes:
        group: What the rollouts of one prompt share.
        prompt: As the model was given it, without special tokens.
        response: What it said, likewise.
        truth: The prompt's true label.
        reward: What the response earned.
    """

    group: str
    prompt: str
    response: str
    truth: str
    reward: float


@dataclass(frozen=True, slots=True)
class StepRollouts:
    """The rollouts of one step, summed up.

    Attributes:
        rollouts: How many.
        reward: Their mean reward.
        accuracy: Share that the benchmark's strict reader counts as right, in [0, 1].
        zero_variance: Share of the groups that have nothing to learn from (`zero_variance_share`).
            Near 0 where such groups were left out (DAPO).
        words: Mean length of a response.
        outcomes: Outcome -> share of the rollouts, for every outcome.
    """

    rollouts: int
    reward: float
    accuracy: float
    zero_variance: float
    words: float
    outcomes: Mapping[Outcome, float]


def read_rollouts(path: Path) -> Iterator[Rollout]:
    """Read a file that verl dumped (`trainer/ppo/v1/trainer_base.py`, `_write_generations`).

    Args:
        path: `N.jsonl` of a run's rollouts.

    Raises:
        RolloutsError: A line is not one of verl's.
    """
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
                # A rollout's key is PROMPT_ROLLOUT_OUTPUT.
                group, _, _ = row["uid"].rsplit("_", 2)
                yield Rollout(group, row["input"], row["output"], row["gts"], float(row["score"]))
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise RolloutsError(
                    f"{path}, line {number}: {type(error).__name__}: {error}; the file may have "
                    "been cut off: run the step again, or remove the file"
                ) from None


def zero_variance_share(rewards: Sequence[float], groups: Sequence[Hashable]) -> float:
    """Return the share of groups in which every rollout has the same reward.

    The advantages of such a group are zero; DAPO (Yu et al., arXiv 2503.14476) replaces it by
    sampling another.

    Args:
        rewards: The reward of each rollout.
        groups: The question of each rollout.

    Returns:
        The share, in [0, 1].

    Raises:
        ValueError: There are no rollouts, or the lengths differ.
    """
    earned: dict[Hashable, set[float]] = {}
    for group, reward in zip(groups, rewards, strict=True):
        earned.setdefault(group, set()).add(reward)
    if not earned:
        raise ValueError("there are no rollouts with a reward")
    return sum(len(values) == 1 for values in earned.values()) / len(earned)


def sum_up(rollouts: Sequence[Rollout]) -> StepRollouts:
    """Sum the rollouts of a step up.

    Raises:
        ValueError: There is none, or a prompt holds no question of the benchmark.
    """
    if not rollouts:
        raise ValueError("no rollouts; the run was ended while it wrote them: remove the file")
    answers = [read_choice(row.response, listed_labels(row.prompt)) for row in rollouts]
    rewards = [row.reward for row in rollouts]
    outcomes = Counter(answer.outcome for answer in answers)
    return StepRollouts(
        rollouts=len(rollouts),
        zero_variance=zero_variance_share(rewards, [row.group for row in rollouts]),
        reward=fmean(rewards),
        accuracy=fmean(a.label == row.truth for a, row in zip(answers, rollouts, strict=True)),
        words=fmean(len(row.response.split()) for row in rollouts),
        outcomes={outcome: outcomes[outcome] / len(rollouts) for outcome in Outcome},
    )


def read_steps(run: Path) -> dict[int, StepRollouts]:
    """Read all rollouts that a run kept.

    Args:
        run: The run's folder (`trainer.default_local_dir`).

    Returns:
        Step -> its rollouts, in the order of the steps.

    Raises:
        RolloutsError: There is none, or a file cannot be read.
    """
    files = (run / FOLDER).glob("*.jsonl")
    steps = {int(path.stem): path for path in files if path.stem.isdecimal()}
    if not steps:
        raise RolloutsError(
            f"{run / FOLDER} holds no rollouts: is {run} the folder of a run of GRPO, and was "
            "trainer.rollout_data_dir left as the recipe has it?"
        )
    read = {}
    for step, path in tqdm(sorted(steps.items()), "reading rollouts", unit="step", disable=None):
        try:
            read[step] = sum_up(list(read_rollouts(path)))
        except ValueError as error:
            raise RolloutsError(f"{path}: {error}") from None
    return read


def mean_of(steps: Iterable[StepRollouts]) -> StepRollouts:
    """Return the mean of several steps, each of equal weight; of `rollouts` the sum."""
    rows = list(steps)
    return StepRollouts(
        rollouts=sum(row.rollouts for row in rows),
        reward=fmean(row.reward for row in rows),
        accuracy=fmean(row.accuracy for row in rows),
        zero_variance=fmean(row.zero_variance for row in rows),
        words=fmean(row.words for row in rows),
        outcomes={o: fmean(row.outcomes[o] for row in rows) for o in Outcome},
    )


def rollouts_table(steps: Mapping[int, StepRollouts], most_lines: int) -> str:
    """Return a Markdown table of steps.

    Args:
        steps: Step -> its rollouts.
        most_lines: Where there are more steps, a line is the mean of several.
    """
    several = -(-len(steps) // most_lines)
    numbers = list(steps)
    lines = [numbers[start : start + several] for start in range(0, len(numbers), several)]
    met = [o for o in Outcome if any(step.outcomes[o] for step in steps.values())]
    head = ("steps", "rollouts", "reward", "accuracy", "without variance", "words", *met)
    rows = []
    for line in lines:
        mean = mean_of(steps[number] for number in line)
        shares = [mean.accuracy, mean.zero_variance, *(mean.outcomes[o] for o in met)]
        accuracy, without, *outcomes = (f"{100 * share:.1f} %" for share in shares)
        name = f"{line[0]}" if len(line) == 1 else f"{line[0]} to {line[-1]}"
        counts = (name, f"{mean.rollouts:,}", f"{mean.reward:.3f}")
        rows.append((*counts, accuracy, without, f"{mean.words:.1f}", *outcomes))
    return table(head, rows, numeric=range(1, len(head)))
