"""Check that the rows of a run fit its reward, before any GPU time is spent."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from unifer_rewards.fer import compute_score
from unifer_rewards.presets import Reward, make_reward
from unifer_rewards.rows import RowError, read_target
from unifer_tasks.protocol.labels import canonical
from unifer_tasks.rationale.reasoning import exemplary_rationale
from unifer_tasks.variants.formats import FORMATS, REASONED, ResponseFormat, asked_format

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
        RowError: There are no rows, or some cannot be scored; the message lists the first of them.
    """
    reward = make_reward(**options)
    problems: list[str] = []
    n_rows = n_bad = 0
    for n_rows, row in enumerate(rows, start=1):
        problem = _problem(row, reward, options)
        if problem:
            n_bad += 1
            if len(problems) < MAX_LISTED:
                problems.append(f"row {n_rows - 1}: {problem}")
    if not n_rows:
        raise RowError("there are no rows to train on")
    if n_bad:
        listed = "\n  ".join(problems)
        more = f"\n  and {n_bad - len(problems):,} more" if n_bad > len(problems) else ""
        raise RowError(f"{n_bad:,} of {n_rows:,} rows cannot be scored\n  {listed}{more}")
    return n_rows


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
