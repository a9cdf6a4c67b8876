"""Variants of the benchmark: the same images and labels, with one thing changed.

| variant | what is changed | what it shows |
|---|---|---|
| `direct` | the answer alone is asked for | what reasoning buys |
| `answer_first` | the answer is asked for before the reasoning | what reasoning before it buys |
| `shuffled` | each question is asked under `N_ORDERS` orders of its candidates | order bias |
| `native` | the image at its own size | what one size for all costs |
| `described` | each candidate with the signs of its prototype | what naming the cues buys |
| `ranked` | as `direct`; the likelihood of each candidate is read, not a text | calibration |
| `ranked_reasoned` | the likelihood of each candidate is read after the reasoning | the same |
| `rationale` | the likelihoods after all or a part of a rationale, or another's | its worth |
| `corrupted` | the image, in one of seven ways and three strengths | robustness |
| `corrupted_KIND` | the image, in one way and three strengths | the same, of one kind |

A variant's tasks are named `ferbench_VARIANT_DATASET`, its group `ferbench_VARIANT`. In
lmms-eval's sample log the record under `accuracy` has what the base has (`id`, `dataset`, `gold`,
`prediction`, `outcome`, `score`) and

* `variant`: one of the keys above; the base's records have none;
* `permutation`: from 0 up, which of the orders (`shuffled` alone);
* `candidate_labels`: the labels in the order in which they were asked (`shuffled` alone);
* `probabilities`: candidate label -> its probability as the answer, in sum 1 (`ranked` and
  `ranked_reasoned` alone); null where the request failed;
* `forced`: condition -> `probabilities` under it, and `other_answer`: the label that the other
  image's rationale led to (`rationale` alone, see `variants.forced`);
* `corruption` and `strength`: what was done to the image (`corrupted` and `corrupted_KIND` alone),
  which also follows from dataset and id (`unifer_tasks.protocol.variants.corruptions`).

So `dataset` and `id` name the base's question of every record. Of a question that was asked several
times (`--repeats`) the record has the lists `predictions` and `outcomes`, and as `score` the share
of right answers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from PIL import Image

from unifer_tasks.protocol.answers.outcomes import Outcome
from unifer_tasks.protocol.answers.strict import Answer, read_answer, read_bare
from unifer_tasks.protocol.images import native_image, protocol_image
from unifer_tasks.protocol.labels import LABEL_SPACES, WITH_FILES, label_space
from unifer_tasks.protocol.prompts import (
    answer_first_question,
    described_question,
    direct_question,
    question,
)
from unifer_tasks.protocol.variants.corruptions import KINDS, condition_of

GROUP = "ferbench"
"""The base's group, and how the name of every task begins."""

N_ORDERS = 4
"""Orders of the candidates under which `shuffled` asks each question."""

_SEED = "ferbench-shuffled-0"


def read_direct(response: str, dataset: str) -> Answer:
    """Read a response to the direct question.

    The strict reader decides wherever there is an answer tag. A response without any is read, its
    thoughts aside, as if it were an answer block: it must be one candidate label or synonym
    and nothing else.
    """
    answer = read_answer(response, dataset)
    if answer.outcome is Outcome.MISSING:
        bare = read_bare(response, dataset)
        return bare if bare.outcome is Outcome.ANSWERED else answer
    return answer


@dataclass(frozen=True, slots=True)
class Variant:
    """A variant: how it asks, shows and reads; each as in the base unless given.

    Attributes:
        key: Its name in tasks and records.
        ask: Candidate labels -> the question's text.
        show: A decoded image -> the image that the model sees.
        read: Response, dataset -> the strict reader's answer.
        n_orders: Under how many orders of its candidates each question is asked, at most.
        ranks: Whether the likelihood of each candidate is asked for (`variants.ranking`).
        forces: Whether it is asked for after rationales of an earlier run (`variants.forced`).
        corrupts: The kinds of corruption that are dealt to the questions; the image is then shown
            by `variants.corruptions`.
    """

    key: str
    ask: Callable[[Sequence[str]], str] = question
    show: Callable[[Image.Image], Image.Image] = protocol_image
    read: Callable[[str, str], Answer] = read_answer
    n_orders: int = 1
    ranks: bool = False
    forces: bool = False
    corrupts: tuple[str, ...] = ()

    def listings(self, labels: Sequence[str]) -> tuple[tuple[str, ...], ...]:
        """Return candidate labels in each order in which they are asked."""
        return orders(labels) if self.n_orders > 1 else (tuple(labels),)

    def times_asked(self, dataset: str) -> int:
        """Return how often each question of a dataset is asked, once in each order."""
        return len(self.listings(label_space(dataset).labels))


BASE = Variant("base")

VARIANTS: Mapping[str, Variant] = MappingProxyType(
    {
        variant.key: variant
        for variant in (
            Variant("direct", ask=direct_question, read=read_direct),
            Variant("answer_first", ask=answer_first_question),
            Variant("shuffled", n_orders=N_ORDERS),
            Variant("native", show=native_image),
            Variant("described", ask=described_question),
            Variant("ranked", ask=direct_question, ranks=True),
            Variant("ranked_reasoned", ranks=True),
            Variant("rationale", ranks=True, forces=True),
            Variant("corrupted", corrupts=KINDS),
            *(Variant(f"corrupted_{kind}", corrupts=(kind,)) for kind in KINDS),
        )
    }
)


def group_name(variant: Variant = BASE) -> str:
    """Return the name of a variant's group."""
    return GROUP if variant is BASE else f"{GROUP}_{variant.key}"


def task_name(dataset: str, variant: Variant = BASE) -> str:
    """Return the name of the task that asks one dataset's questions."""
    return f"{group_name(variant)}_{dataset}"


def datasets_of(variant: Variant = BASE) -> tuple[str, ...]:
    """Return the datasets that a variant asks: a part of one is asked by the base alone."""
    return tuple(LABEL_SPACES if variant is BASE else WITH_FILES)


TASKS: Mapping[str, tuple[Variant, str]] = MappingProxyType(
    {
        task_name(dataset, variant): (variant, dataset)
        for variant in (BASE, *VARIANTS.values())
        for dataset in datasets_of(variant)
    }
)
"""Task name -> its variant and dataset."""


def orders(labels: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Return the orders in which `shuffled` lists candidate labels, all different.

    They are `N_ORDERS`, or one for each label where there are fewer labels. The labels are sorted
    by a seeded hash and then turned in steps of a quarter of the list, so that each label stands
    once in each quarter. The orders follow from the labels alone, on any machine and in any
    version.
    """
    n = min(N_ORDERS, len(labels))
    mixed = sorted(labels, key=lambda label: hashlib.sha256(f"{_SEED} {label}".encode()).digest())
    starts = (turn * len(mixed) // n for turn in range(n))
    return tuple((*mixed[start:], *mixed[:start]) for start in starts)


def marks(variant: Variant, doc: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a record has beside the base's; see the module's docstring."""
    if variant is BASE:
        return {}
    if variant.corrupts:
        found = condition_of(doc["dataset"], doc["id"], variant.corrupts)
        return {"variant": variant.key, "corruption": found.kind, "strength": found.strength}
    if "permutation" not in doc:
        return {"variant": variant.key}
    return {
        "variant": variant.key,
        "permutation": doc["permutation"],
        "candidate_labels": list(doc["candidate_labels"]),
    }
