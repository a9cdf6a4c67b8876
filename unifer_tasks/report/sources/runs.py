"""A run: the answers of one model to one variant of the benchmark, and its provenance."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from unifer_tasks.data.predictions import Prediction
from unifer_tasks.protocol.labels import FERBENCH, LABEL_SPACES, N_QUESTIONS
from unifer_tasks.protocol.variants.listed import BASE, Variant
from unifer_tasks.support.counted import counted

_DRAWN = "drawn/"

QuestionKey = tuple[str, str]
"""Dataset key and id."""


@dataclass(frozen=True, slots=True)
class Run:
    """The answers of one model to one variant of the benchmark.

    Attributes:
        name: The model's name; unique among the runs of a report together with `variant_key`.
        source: The folder or file that it was read from.
        predictions: In the order of the benchmark's datasets and of the file; no question twice.
        variant: The variant whose tasks were run; `BASE` is the benchmark as published.
        permutation: Of a variant that asks each question under several orders, which of them;
            each order is a run.
        provenance: How the run was made, as far as the files say, for people: "model", "backend",
            "command", "date", "unifer", "lmms-eval", "transformers", "torch", "generation",
            "pixels", "questions" (hash), "data DATASET" (hash) and the like.
        stand_in: Whether the faces are synthetic; None if unknown.
        questions: Dataset key -> the question that all its samples were asked; a dataset whose
            question is unknown is absent.
        notes: Caveats, a sentence each: interrupted, partial, several runs.
        repeated: All answers to each question that was asked several times, the first of which is
            among `predictions`.
        rows: Dataset key -> the questions of the data that was asked, all of them unless there
            was a `--limit`; a dataset of unknown size is absent.
    """

    name: str
    source: str
    predictions: tuple[Prediction, ...]
    variant: Variant = BASE
    permutation: int = 0
    provenance: Mapping[str, str] = field(default_factory=dict)
    stand_in: bool | None = None
    questions: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    repeated: tuple[tuple[Prediction, ...], ...] = ()
    rows: Mapping[str, int] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The name, and the variant unless it is the benchmark as published."""
        return self.name if self.variant is BASE else f"{self.name} ({self.variant_key})"

    @property
    def variant_key(self) -> str:
        """The variant's key, with the number of the order where it has several: "shuffled_0"."""
        key = self.variant.key
        return f"{key}_{self.permutation}" if self.variant.n_orders > 1 else key


def looks_drawn(predictions: Iterable[Prediction]) -> bool | None:
    """Decide by the ids whether faces are synthetic, where nothing else does.

    Returns:
        True if `unifer-data drawn` made up an id; None otherwise, since it also draws under the
        published ids.
    """
    return True if any(row.id.startswith(_DRAWN) for row in predictions) else None


def ordered(predictions: Iterable[Prediction]) -> tuple[Prediction, ...]:
    """Return predictions in the order of the benchmark's datasets, else as they come."""
    place = {dataset: number for number, dataset in enumerate(LABEL_SPACES)}
    return tuple(sorted(predictions, key=lambda prediction: place[prediction.dataset]))


def question_hash(questions: Iterable[str]) -> str:
    """Return a short hash of what was asked: equal for equal sets of questions."""
    text = "\0".join(sorted(set(questions)))
    # A text of JSON may have half a surrogate pair, which UTF-8 cannot encode.
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()[:12]


def with_coverage(run: Run) -> Run:
    """Add a note to a run that did not answer exactly the benchmark's questions."""
    asked = {dataset: Counter[str]() for dataset in LABEL_SPACES}
    for prediction in run.predictions:
        asked[prediction.dataset][prediction.target] += 1
    short = [
        f"{space.title} {asked[dataset].total():,} of {space.n_test:,}"
        + (" of other labels" if asked[dataset].total() == space.n_test else "")
        for dataset, space in FERBENCH.items()
        if not space.is_complete(asked[dataset])
    ]
    if not short:
        return run
    answered = sum(asked[dataset].total() for dataset in FERBENCH)
    note = f"Incomplete: {answered:,} of {N_QUESTIONS:,} questions ({', '.join(short)})."
    return replace(run, notes=(*run.notes, note))


def with_note(runs: Sequence[Run], note: str) -> list[Run]:
    """Give the first run a note on what lies beside the runs and is not among them."""
    return [replace(runs[0], notes=(note, *runs[0].notes)), *runs[1:]]


def distinct(runs: Sequence[Run]) -> list[Run]:
    """Append a number to runs that share a name and a variant, in their order."""
    seen: Counter[tuple[str, str]] = Counter()
    named = []
    for run in runs:
        seen[run.name, run.variant_key] += 1
        number = seen[run.name, run.variant_key]
        named.append(run if number == 1 else replace(run, name=f"{run.name} #{number}"))
    return named


def _lacking(own: Set[QuestionKey], other: Set[QuestionKey]) -> int:
    """Count the other's questions that a run lacks, but for datasets beside FERBench that it lacks.

    The figures of these are their own: no figure of the run has a denominator without them.
    """
    counted_in = FERBENCH.keys() | {dataset for dataset, _ in own}
    return sum(dataset in counted_in for dataset, _ in other - own)


def _other_questions(runs: Sequence[Run]) -> Iterator[str]:
    """Name the runs that were not asked what most were, or the largest where no two are alike."""
    asked = [frozenset((row.dataset, row.id) for row in run.predictions) for run in runs]
    times = Counter(asked)
    usual = max(times, key=lambda questions: (times[questions], len(questions)))
    differing = []
    for run, own in zip(runs, asked, strict=True):
        lacks, more = _lacking(own, usual), _lacking(usual, own)
        if lacks or more:
            said = [f"lacks {lacks:,}"] * bool(lacks) + [f"has {more:,} more"] * bool(more)
            differing.append(f"{run.title} {' and '.join(said)}")
    if differing:
        first = runs[asked.index(usual)].title
        others = f" and {counted(times[usual] - 1, 'other run')}" if times[usual] > 1 else ""
        yield (
            "The runs did not answer the same questions, so their figures have different "
            f"denominators. Beside the {len(usual):,} of {first}{others}: {', '.join(differing)}."
        )


def differences(runs: Sequence[Run]) -> list[str]:
    """Describe what makes the runs of one report unlike each other, a sentence each.

    Figures of runs on other questions, other bytes of the data, other true labels or other
    kinds of faces have other denominators and are not to be compared.
    """
    found = list(_other_questions(runs))
    targets: dict[QuestionKey, str] = {}
    for run in runs:
        labels = ((targets.setdefault((r.dataset, r.id), r.target), r) for r in run.predictions)
        if wrong := sum(label != row.target for label, row in labels):
            n = counted(wrong, "question")
            found.append(f"{run.title} has other true labels than runs before it, for {n}.")
    kinds = {
        True: "synthetic faces",
        False: "the benchmark's images",
        None: "faces of unknown kind",
    }
    faces = {
        title: [run.title for run in runs if run.stand_in is kind] for kind, title in kinds.items()
    }
    if sum(map(bool, faces.values())) > 1:
        parts = (f"{title}: {', '.join(names)}" for title, names in faces.items() if names)
        found.append(f"The runs saw different kinds of faces ({'; '.join(parts)}).")
    for dataset, space in LABEL_SPACES.items():
        if len({run.provenance.get(f"data {dataset}") for run in runs} - {None}) > 1:
            found.append(f"The runs read different versions of the data of {space.title}.")
    return found
