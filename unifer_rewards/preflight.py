"""Check that the rows of a run fit its reward, before any GPU time is spent."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from unifer_rewards.fer import compute_score
from unifer_rewards.presets import Reward, make_reward
from unifer_rewards.rows import RowError, read_target
from unifer_tasks.protocol.answers.formats import FORMATS, REASONED, ResponseFormat, asked_format
from unifer_tasks.protocol.labels import canonical
from unifer_tasks.rationale.reasoning import exemplary_rationale
from unifer_tasks.support.counted import counted

MAX_LISTED = 10


def perfect_response(label: str, asked: ResponseFormat = REASONED) -> str:
    """Return a response that is perfect in every term: the label with its prototype."""
    return asked.response(exemplary_rationale(canonical(label)), label)


def validate(rows: Iterable[Mapping[str, Any]], **options: Any) -> int:
    """Check that a perfect response to every row scores the maximum.

    Args:
        rows: Rows in verl's layout: `data_source`, `reward_model.ground_truth`, `extra_info`, and
            `prompt`, if given, whose requested format must be that of the reward.
        **options: The keyword arguments of `fer.compute_score` that the run will use.

    Returns:
        The number of rows.

    Raises:
        RewardError: An option is invalid.
        RowError: There are no rows, or some cannot be scored; the message counts the rows of each
            reason.
    """
    reward = make_reward(**options)
    problems: dict[str, list[int]] = {}
    n_rows = 0
    for n_rows, row in enumerate(rows, start=1):
        if problem := _problem(row, reward, options):
            problems.setdefault(problem, []).append(n_rows - 1)
    if not n_rows:
        raise RowError("there are no rows to train on")
    if problems:
        n_bad = sum(map(len, problems.values()))
        listed = [*problems.items()][:MAX_LISTED]
        lines = [f"{_rows(found)}: {problem}" for problem, found in listed]
        if rest := n_bad - sum(len(found) for _, found in listed):
            lines.append(f"and {rest:,} more")
        raise RowError("\n  ".join([f"{n_bad:,} of {n_rows:,} rows cannot be scored", *lines]))
    return n_rows


def _rows(found: Sequence[int]) -> str:
    others = len(found) - 1
    return f"row {found[0]}" + (f" and {counted(others, 'other')}" if others else "")


def _problem(row: Mapping[str, Any], reward: Reward, options: Mapping[str, Any]) -> str | None:
    rewarded = FORMATS[reward.response_format]
    try:
        source, target = row["data_source"], row["reward_model"]["ground_truth"]
        extra = row.get("extra_info")
        perfect = perfect_response(read_target(source, target, extra).solution, rewarded)
        asked = asked_format("\n".join(str(each["content"]) for each in row.get("prompt") or ()))
        score = compute_score(source, perfect, target, extra, **options)["score"]
    except KeyError as error:
        return f"lacks {error}"
    except (AttributeError, TypeError) as error:
        return f"is malformed: {error}"
    except ValueError as error:
        return str(error)
    if asked is not None and asked is not rewarded:
        return (
            f"its prompt asks for the format {asked.key}, but the reward expects {rewarded.key}; "
            f"set response_format={asked.key} (in a recipe: format={asked.key})"
        )
    if not math.isclose(float(score), reward.maximum):
        return f"a perfect response to it scores {score}, not {reward.maximum}"
    return None
