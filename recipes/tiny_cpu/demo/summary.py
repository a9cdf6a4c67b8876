"""What the demo shows at its end: scores by stage, the reward's curve, what each model says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import mean

from recipes.training.runs.rollouts import read_steps, rollouts_table
from unifer_tasks.redaction.markdown import table
from unifer_tasks.report.figures.assessment import Assessment, assess_runs
from unifer_tasks.support.files import atomic_write

REWARD = "critic/rewards/mean"
_EDGE = 5
_SPEAKERS = 3
_ROLLOUT_LINES = 5


def write_summary(
    out: Path,
    results: Mapping[str, Path],
    steps: Mapping[int, Mapping[str, float]],
    seconds: Mapping[str, float],
) -> Path:
    """Write `README.md` and `reward.png`.

    Args:
        out: The demo's folder, which holds the report.
        results: Model -> its lmms-eval output, in the order of training.
        steps: GRPO's metrics by step.
        seconds: Time of each stage.

    Returns:
        The Markdown file.
    """
    assessments = {one.run.name: one for one in assess_runs(results.items())}
    rewards = {step: metrics[REWARD] for step, metrics in steps.items() if REWARD in metrics}
    _plot(rewards, out / "reward.png")
    lines = [
        "# The UniFER recipe on a CPU, with synthetic faces",
        "",
        scores_table(assessments),
        "",
        *_reward_lines(rewards, steps),
        "",
        "![Mean reward of each step of GRPO](reward.png)",
        "",
        "What the rollouts were like, as the benchmark reads them; groups without variance teach "
        "nothing:",
        "",
        rollouts_table(read_steps(out / "grpo"), _ROLLOUT_LINES),
        "",
        "[The report](report/index.html) has every question, response and confusion.",
        "",
        *_samples(assessments),
        _times(seconds),
        "",
        "Synthetic faces: these figures say that the recipe works, and nothing of photographs.",
    ]
    path = out / "README.md"
    with atomic_write(path) as partial:
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def scores_table(assessments: Mapping[str, Assessment]) -> str:
    """Return a table of what each model scores, with the label that it recognizes least."""
    rows = []
    for name, one in assessments.items():
        pooled = one.strict.pooled
        low, high = pooled.interval("accuracy") or (0.0, 0.0)
        cells = (pooled.scores[key] or 0.0 for key in ("accuracy", "uar", "unreadable"))
        accuracy, uar, unreadable = (f"{100 * value:.1f} %" for value in cells)
        interval = f"{100 * low:.1f} to {100 * high:.1f}"
        recall, label = min((row.recall, name) for name, row in pooled.classes.items())
        lowest = f"{label} {100 * recall:.1f} %"
        rows.append((name, accuracy, interval, uar, lowest, unreadable))
    head = ("model", "held-out accuracy", "95 % interval", "UAR", "lowest recall", "unreadable")
    return table(head, rows, numeric=(1, 3, 5))


def _reward_lines(
    rewards: Mapping[int, float], steps: Mapping[int, Mapping[str, float]]
) -> Iterator[str]:
    values = list(rewards.values())
    edge = min(_EDGE, len(values))
    yield (
        f"GRPO, {len(values)} steps: the mean reward of the first {edge} was "
        f"{mean(values[:edge]):.3f}, of the last {edge} {mean(values[-edge:]):.3f}."
    )
    correlation = min(_column(steps, "training/rollout_actor_probs_pearson_corr"))
    divergence = max(_column(steps, "actor/kl_loss"))
    yield (
        f"Least correlation of the rollout's and the actor's probabilities: {correlation:.5f}; "
        f"greatest KL: {divergence:.4f}."
    )


def _column(steps: Mapping[int, Mapping[str, float]], name: str) -> list[float]:
    return [metrics[name] for metrics in steps.values() if name in metrics]


def _samples(assessments: Mapping[str, Assessment], count: int = 3) -> Iterator[str]:
    """Yield the first questions that the last model gets right and the one before wrong."""
    readings = {
        name: {
            (reading.prediction.dataset, reading.prediction.id): reading for reading in one.readings
        }
        for name, one in assessments.items()
    }
    *_, before, after = readings.values()
    mended = [
        key
        for key, row in after.items()
        if row.is_right and key in before and not before[key].is_right
    ]
    for key in mended[:count]:
        yield f"A face that shows *{after[key].prediction.target}* ({key[1]}):"
        yield ""
        for name, rows in [*readings.items()][-_SPEAKERS:]:
            yield f"* {name}: `{(rows[key].prediction.response or '')[:200]!r}`"
        yield ""


def _times(seconds: Mapping[str, float]) -> str:
    rows = [*seconds.items(), ("all", sum(seconds.values()))]
    return table(("stage", "seconds"), [(name, f"{took:,.0f}") for name, took in rows], (1,))


def _plot(rewards: Mapping[int, float], path: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
    axes.plot(list(rewards), list(rewards.values()), marker="o", markersize=3)
    axes.set_xlabel("step of GRPO")
    axes.set_ylabel("mean reward")
    figure.savefig(path, dpi=150)
    plt.close(figure)
