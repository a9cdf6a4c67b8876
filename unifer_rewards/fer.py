"""The reward function of the UniFER recipe, as verl calls it.

In a verl configuration: `reward.custom_reward_function.path=pkg://unifer_rewards.fer`,
`name=compute_score`, and under `reward_kwargs` the keyword arguments of `compute_score`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unifer_rewards.presets import DEFAULT_PRESET, Response, make_reward
from unifer_rewards.rows import read_target
from unifer_tasks.protocol.answers.formats import FORMATS
from unifer_tasks.protocol.answers.strict import read_choice, read_in_format, read_literal
from unifer_tasks.protocol.answers.upstream import UNKNOWN
from unifer_tasks.rationale.repetition import lower_words


def compute_score(
    data_source: str,
    solution_str: str | None,
    ground_truth: str,
    extra_info: Mapping[str, Any] | None = None,
    *,
    preset: str = DEFAULT_PRESET,
    weights: Mapping[str, float] | None = None,
    **options: Any,
) -> dict[str, float | str]:
    """Score one response.

    verl drops a group whose reward raises, and still exits with 0. So no response raises, and
    `preflight.validate` checks every row beforehand.

    Args:
        data_source: A dataset key; any name if the row lists its candidates.
        solution_str: The response; anything but text counts as empty.
        ground_truth: The true label.
        extra_info: May hold `candidate_labels` and `votes`; see `rows.read_target`.
        preset: A key of `presets.PRESETS`.
        weights: Term -> weight; overrides or extends those of the preset.
        **options: `vote_credit`, `free_words`, `most_words`, `response_format` and `logged` of
            `presets.make_reward`.

    Returns:
        `score` is optimised; the rest is only logged: `acc`, 1 if the benchmark counts the answer
        as right, including in a model family's own format; the terms that the reward needs, and
        those of `logged`; `answered`, 1 if a label was read; `words`, the number of words; and as
        text, which verl does not average, `pred` and `outcome`.

    Raises:
        RewardError: The preset, a term or an option is unknown, or a number is out of range.
        RowError: The row has no candidates, or its target is not among them.
        ValueError: The candidates are not distinct expressions that the benchmark knows.
    """
    reward = make_reward(preset, weights, **options)
    target = read_target(data_source, ground_truth, extra_info)
    text = solution_str if isinstance(solution_str, str) else ""
    formatted = read_in_format(text, target.labels, FORMATS[reward.response_format].blocks)
    # A model family's own format is part of the benchmark's answer, and is not rewarded.
    rewarded = formatted or read_literal(text, target.labels)
    in_format = formatted is not None
    response = Response(text, rewarded, target, lower_words(text), in_format)
    terms = reward.terms(response)
    # A label in the format asked for is the benchmark's answer too.
    is_plain = in_format and rewarded.label is not None
    answer = rewarded if is_plain else read_choice(text, target.labels)
    return {
        "score": reward.total(terms, right=rewarded.label == target.label),
        "acc": float(answer.label == target.label),
        **terms,
        "answered": float(answer.label is not None),
        "words": float(len(response.words)),
        "pred": answer.label or UNKNOWN,
        "outcome": answer.outcome.value,
    }
