"""Variants of the benchmark: the same images and labels, with one thing changed.

| variant | what is changed | what it shows |
|---|---|---|
| `direct` | the answer alone is asked for | what reasoning buys |
| `shuffled` | each question is asked under `N_ORDERS` orders of its candidates | order bias |
| `native` | the image at its own size | what one size for all costs |
| `described` | each candidate with the signs of its prototype | what naming the cues buys |

A variant's tasks are named `ferbench_VARIANT_DATASET`, its group `ferbench_VARIANT`. In
lmms-eval's sample log the record under `accuracy` has what the base has (`id`, `dataset`, `gold`,
`prediction`, `outcome`, `score`) and

* `variant`: one of the keys above; the base's records have none;
* `permutation`: from 0 up, which of the orders (`shuffled` alone);
* `candidate_labels`: the labels in the order in which they were asked (`shuffled` alone).

So `dataset` and `id` name the base's question of every record. Of a question that was asked several
times (`--repeats`) the record has the lists `predictions` and `outcomes`, and as `score` the share
of right answers.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from PIL import Image

from unifer_tasks.protocol.answers import Answer, Outcome, read_answer, read_bare
from unifer_tasks.protocol.images import native_image, protocol_image
from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.protocol.prompts import described_question, direct_question, question

GROUP = "ferbench"
"""The base's group, and how the name of every task begins."""

N_ORDERS = 4
"""Orders of the candidates under which `shuffled` asks each question."""

_SEED = "ferbench-shuffled-0"


def read_direct(response: str, dataset: str) -> Answer:
    """Read a response to the direct question.

    The strict reader decides wherever there is an answer tag. A response without any is read, its
    thoughts aside, as if it stood in an answer block: it must be one candidate label or synonym
    and nothing else.
    """
    answer = read_answer(response, dataset)
    if answer.outcome is Outcome.MISSING:
        bare = read_bare(response, dataset)
        return bare if bare.outcome is Outcome.ANSWERED else answer
    return answer


@dataclass(frozen=True, slots=True)
class Variant:
    """What is asked, shown and read; each as in the base unless it is given.

    Attributes:
        key: Its name in tasks and records.
        ask: Candidate labels -> the question's text.
        show: A decoded image -> the image that the model sees.
        read: Response, dataset -> the strict reader's answer.
    """

    key: str
    ask: Callable[[Sequence[str]], str] = question
    show: Callable[[Image.Image], Image.Image] = protocol_image
    read: Callable[[str, str], Answer] = read_answer


BASE = Variant("base")

VARIANTS: Mapping[str, Variant] = MappingProxyType(
    {
        variant.key: variant
        for variant in (
            Variant("direct", ask=direct_question, read=read_direct),
            Variant("shuffled"),
            Variant("native", show=native_image),
            Variant("described", ask=described_question),
        )
    }
)


def group_name(variant: Variant = BASE) -> str:
    """Returns the name of a variant's group."""
    return GROUP if variant is BASE else f"{GROUP}_{variant.key}"


def task_name(dataset: str, variant: Variant = BASE) -> str:
    """Returns the name of the task that asks one dataset's questions."""
    return f"{group_name(variant)}_{dataset}"


TASKS: Mapping[str, tuple[Variant, str]] = MappingProxyType(
    {
        task_name(dataset, variant): (variant, dataset)
        for variant in (BASE, *VARIANTS.values())
        for dataset in LABEL_SPACES
    }
)
"""Task name -> its variant and dataset."""


def orders(labels: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Returns the `N_ORDERS` orders in which `shuffled` lists candidate labels.

    The labels are sorted by a seeded hash and then turned in steps of a quarter of the list, so
    that each label stands once in each quarter. The orders follow from the labels alone, on any
    machine and in any version.
    """
    mixed = sorted(labels, key=lambda label: hashlib.sha256(f"{_SEED} {label}".encode()).digest())
    starts = (turn * len(mixed) // N_ORDERS for turn in range(N_ORDERS))
    return tuple((*mixed[start:], *mixed[:start]) for start in starts)


def marks(variant: Variant, doc: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a record has beside the base's; see the module's docstring."""
    if variant is BASE:
        return {}
    if "permutation" not in doc:
        return {"variant": variant.key}
    return {
        "variant": variant.key,
        "permutation": doc["permutation"],
        "candidate_labels": list(doc["candidate_labels"]),
    }


@dataclass(frozen=True, slots=True)
class OrderBias:
    """How much the order of the candidates matters, over one dataset's `shuffled` records.

    Attributes:
        accuracy: For each permutation, in [0, 1]; NaN for none that was asked.
        spread: The largest of them less the smallest.
        agreement: Of the questions asked under all orders, the share that were read as the same
            label each time; NaN of none.
        positions: Of the answers that were read, the share at each place of the list.
        expected: What `positions` would be if the same labels had been chosen as often under
            every order. The difference of the two is the preference for a place.
    """

    accuracy: tuple[float, ...]
    spread: float
    agreement: float
    positions: tuple[float, ...]
    expected: tuple[float, ...]


def order_bias(records: Iterable[Mapping[str, Any]]) -> OrderBias:
    """Measures order bias.

    Args:
        records: `accuracy` records of `shuffled` of one dataset, at least one.

    Raises:
        ValueError: There is none, or they are of several datasets.
    """
    rows = list(records)
    if len({row["dataset"] for row in rows}) != 1:
        raise ValueError("order bias is measured over the records of one dataset")
    asked: dict[int, list[Mapping[str, Any]]] = {turn: [] for turn in range(N_ORDERS)}
    answers: defaultdict[str, list[str | None]] = defaultdict(list)
    for row in rows:
        asked[row["permutation"]].append(row)
        answers[row["id"]].append(row["prediction"])
    accuracy = tuple(
        _share(sum(row["prediction"] == row["gold"] for row in part), len(part))
        for part in asked.values()
    )
    known = [value for value, part in zip(accuracy, asked.values(), strict=True) if part]
    whole = [labels for labels in answers.values() if len(labels) == N_ORDERS]
    agreeing = sum(None not in labels and len(set(labels)) == 1 for labels in whole)
    read = [row for row in rows if row["prediction"] is not None]
    chosen = Counter(row["prediction"] for row in read)
    places = range(len(rows[0]["candidate_labels"]))
    at = Counter(row["candidate_labels"].index(row["prediction"]) for row in read)
    return OrderBias(
        accuracy,
        max(known) - min(known),
        _share(agreeing, len(whole)),
        tuple(_share(at[place], len(read)) for place in places),
        tuple(
            _share(sum(chosen[row["candidate_labels"][place]] for row in read), len(read) ** 2)
            for place in places
        ),
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
