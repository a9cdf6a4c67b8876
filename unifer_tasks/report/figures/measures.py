"""What the rationales of a run are like: form, length, consistency and visible evidence.

One response becomes a `RationaleRecord`, which a page can show; the records of a run become
`RationaleMeasures`. All of it is deterministic and needs no judge. Without coded action units
of the pictures it measures plausibility, not truth.

Every figure carries its own denominator, as they differ:

* form and length are over the responses that were received,
* evidence is over the rationales, which are the think blocks that hold a word,
* consistency, and agreement with the answer, are over the rationales with a readable answer.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import reduce
from operator import add

import numpy as np

from unifer_tasks.protocol.action_units import PROTOTYPES
from unifer_tasks.protocol.answers.outcomes import Outcome, request_failed
from unifer_tasks.protocol.answers.strict import read_answer
from unifer_tasks.protocol.answers.tags import has_valid_format, has_visible_text
from unifer_tasks.protocol.labels import LABEL_SPACES, canonical
from unifer_tasks.protocol.variants.ranking import without_figures
from unifer_tasks.rationale.reasoning import (
    Argument,
    Contradiction,
    agreement,
    contradictions,
    read_rationale,
)
from unifer_tasks.rationale.repetition import lower_words, repeats
from unifer_tasks.rationale.sentences import Cue
from unifer_tasks.scoring.summary import Reading, pooled_datasets


@dataclass(frozen=True, slots=True)
class RationaleRecord:
    """One response, as the measures take it. Labels are canonical.

    Attributes:
        words: The number of words of the whole response, tags included.
        format_kept: Whether it has the form that was asked for.
        truncated: Whether it ends inside a block.
        repeats: Whether it repeats itself.
        rationale: The text of its first think block, into which the cues point; None where
            there is none, or it holds no word.
        argument: What the rationale says; nothing without one.
        n_affirmed: The number of affirmed cues that name an action unit, each unit once a
            sentence.
        argued: The labels that the rationale concludes with, in alphabetical order.
        contradictions: Cues that exclude each other.
        agreement_with_answer: F1 of the cues with the prototype of the answered label, in
            [0, 1]; None without a rationale or a readable answer.
        agreement_with_truth: The same with the true label; None without a rationale.
    """

    words: int
    format_kept: bool
    truncated: bool
    repeats: bool
    rationale: str | None = None
    argument: Argument = field(default_factory=Argument)
    n_affirmed: int = 0
    argued: tuple[str, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()
    agreement_with_answer: float | None = None
    agreement_with_truth: float | None = None

    @property
    def cues(self) -> tuple[Cue, ...]:
        """What the rationale sees or denies."""
        return self.argument.cues

    @property
    def no_evidence(self) -> bool:
        """True if there is a rationale and it names nothing visible of the face."""
        return self.rationale is not None and not self.argument.cue_sentences


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a whole.

    Attributes:
        count: How many.
        n: Of how many.
    """

    count: int
    n: int

    @property
    def value(self) -> float | None:
        """The share, in [0, 1]; None of nothing."""
        return self.count / self.n if self.n else None


@dataclass(frozen=True, slots=True)
class Mean:
    """An average.

    Attributes:
        value: The arithmetic mean; None of nothing.
        n: Of how many.
    """

    value: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Quartiles:
    """How numbers are spread; None of nothing.

    Attributes:
        lower: A quarter is at most this.
        median: Half is at most this.
        upper: Three quarters are at most this.
        n: Of how many.
    """

    lower: float | None
    median: float | None
    upper: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Consistency:
    """Which label the rationales conclude with; the four add up to their denominator.

    Attributes:
        answer: The answered one alone.
        several: The answered one among others.
        other: Others, and not the answered one.
        none: None at all.
    """

    answer: Share
    several: Share
    other: Share
    none: Share


@dataclass(frozen=True, slots=True)
class Measures:
    """The measures of one group of questions.

    Attributes:
        responses: Questions with a response, of all: without failed requests and without
            predictions that are a label only.
        format_kept: Responses in the form that was asked for, of those received.
        truncated: Responses that end inside a block, of those received.
        repeats: Responses that repeat themselves, of those received.
        words: Words of the responses received.
        rationale: Responses with a rationale, of those received.
        consistency: What the rationales with a readable answer conclude with.
        cues: Cues of an action unit that a rationale affirms, each unit once a sentence.
        agreement_with_answer: Mean F1 with the prototype of the answered label, over the
            rationales with a readable answer.
        agreement_with_truth: Mean F1 with the prototype of the true label, over the rationales.
        contradictory: Rationales with cues that exclude each other.
        no_evidence: Rationales that name nothing visible of the face.
    """

    responses: Share
    format_kept: Share
    truncated: Share
    repeats: Share
    words: Quartiles
    rationale: Share
    consistency: Consistency
    cues: Mean
    agreement_with_answer: Mean
    agreement_with_truth: Mean
    contradictory: Share
    no_evidence: Share


@dataclass(frozen=True, slots=True)
class MeasuresByOutcome:
    """The measures of all questions, and of right and wrong answers apart.

    Attributes:
        all: Every question.
        right: Those that the reader counts as right.
        wrong: The others that it counts, unreadable answers among them.
    """

    all: Measures
    right: Measures
    wrong: Measures


@dataclass(frozen=True, slots=True)
class RationaleMeasures:
    """The measures of a run; `dataclasses.asdict` makes it ready for JSON.

    Attributes:
        overall: Over the questions of the datasets that are pooled.
        datasets: Dataset key -> over the dataset's.
    """

    overall: MeasuresByOutcome
    datasets: Mapping[str, MeasuresByOutcome]


def rationale_record(reading: Reading) -> RationaleRecord | None:
    """Measure what a response says beside its answer.

    Tags and rationale are those that the strict reader found, whichever made the reading; the
    label that the rationale is compared with is the reading's own.

    Returns:
        The record; None where no response was received.
    """
    prediction = reading.prediction
    response = prediction.response
    if prediction.error or response is None or request_failed(response):
        return None
    response = without_figures(response)
    answer = reading.answer or read_answer(response, prediction.dataset)
    words = lower_words(response)
    rationale = answer.rationale if has_visible_text(answer.rationale or "") else None
    argument = read_rationale(rationale or "")
    return RationaleRecord(
        words=len(words),
        format_kept=has_valid_format(response),
        truncated=answer.outcome is Outcome.TRUNCATED,
        repeats=repeats(words),
        rationale=rationale,
        argument=argument,
        n_affirmed=sum([sentence.n_affirmed for _, sentence in argument.cue_sentences]),
        argued=tuple(sorted(argument.argued)),
        contradictions=contradictions(argument),
        agreement_with_answer=_agreement(rationale, argument, reading.label),
        agreement_with_truth=_agreement(rationale, argument, prediction.target),
    )


def measure(
    readings: Sequence[Reading], records: Sequence[RationaleRecord | None] | None = None
) -> RationaleMeasures:
    """Measure the rationales of a run.

    Args:
        readings: Every prediction of the run, as one reader took it.
        records: The `rationale_record` of each, if at hand.

    Raises:
        ValueError: There are not as many records as readings.
    """
    if records is None:
        records = [rationale_record(reading) for reading in readings]
    rows: dict[str, dict[bool | None, list[_Row]]] = {}
    for reading, record in zip(readings, records, strict=True):
        right = reading.is_right if reading.counted else None
        of_dataset = rows.setdefault(reading.prediction.dataset, {True: [], False: [], None: []})
        of_dataset[right].append((reading, record))
    parts = {
        dataset: {right: _Sums.of(part) for right, part in rows[dataset].items()}
        for dataset in LABEL_SPACES
        if dataset in rows
    }
    pooled = [parts[dataset] for dataset in pooled_datasets(parts)]
    return RationaleMeasures(
        overall=_by_outcome(
            {
                right: reduce(add, (part[right] for part in pooled), _Sums.of([]))
                for right in (True, False, None)
            }
        ),
        datasets={dataset: _by_outcome(part) for dataset, part in parts.items()},
    )


_Row = tuple[Reading, RationaleRecord | None]


def _agreement(rationale: str | None, argument: Argument, label: str | None) -> float | None:
    if rationale is None or label is None or canonical(label) not in PROTOTYPES:
        return None
    return agreement(argument, canonical(label))


@dataclass(frozen=True, slots=True)
class _Sums:
    """What measures are made of: counts and numbers, which add up over disjoint questions."""

    questions: int
    format_kept: int
    truncated: int
    repeats: int
    contradictory: int
    no_evidence: int
    kinds: Counter[str]
    words: list[int]
    n_affirmed: list[int]
    with_answer: list[float | None]
    with_truth: list[float | None]

    @classmethod
    def of(cls, rows: Sequence[_Row]) -> _Sums:
        received = [record for _, record in rows if record]
        reasoned = [record for record in received if record.rationale is not None]
        return cls(
            questions=len(rows),
            format_kept=sum([record.format_kept for record in received]),
            truncated=sum([record.truncated for record in received]),
            repeats=sum([record.repeats for record in received]),
            contradictory=sum([bool(record.contradictions) for record in reasoned]),
            no_evidence=sum([record.no_evidence for record in reasoned]),
            kinds=Counter(
                _kind(canonical(reading.label), record.argued)
                for reading, record in rows
                if record and record.agreement_with_answer is not None and reading.label
            ),
            words=[record.words for record in received],
            n_affirmed=[record.n_affirmed for record in reasoned],
            with_answer=[record.agreement_with_answer for record in reasoned],
            with_truth=[record.agreement_with_truth for record in reasoned],
        )

    def __add__(self, other: _Sums) -> _Sums:
        added = (getattr(self, part.name) + getattr(other, part.name) for part in fields(self))
        return _Sums(*added)

    def measures(self) -> Measures:
        received, reasoned = len(self.words), len(self.n_affirmed)
        answered = self.kinds.total()
        kinds = {part.name: Share(self.kinds[part.name], answered) for part in fields(Consistency)}
        return Measures(
            responses=Share(received, self.questions),
            format_kept=Share(self.format_kept, received),
            truncated=Share(self.truncated, received),
            repeats=Share(self.repeats, received),
            words=_quartiles(self.words),
            rationale=Share(reasoned, received),
            consistency=Consistency(**kinds),
            cues=_mean(self.n_affirmed),
            agreement_with_answer=_mean(self.with_answer),
            agreement_with_truth=_mean(self.with_truth),
            contradictory=Share(self.contradictory, reasoned),
            no_evidence=Share(self.no_evidence, reasoned),
        )


def _by_outcome(parts: Mapping[bool | None, _Sums]) -> MeasuresByOutcome:
    right, wrong, uncounted = parts[True], parts[False], parts[None]
    return MeasuresByOutcome(
        all=(right + wrong + uncounted).measures(), right=right.measures(), wrong=wrong.measures()
    )


def _kind(label: str, argued: tuple[str, ...]) -> str:
    if not argued:
        return "none"
    if label not in argued:
        return "other"
    return "answer" if len(argued) == 1 else "several"


def _mean(values: Iterable[float | None]) -> Mean:
    known = [value for value in values if value is not None]
    return Mean(math.fsum(known) / len(known) if known else None, len(known))


def _quartiles(values: Sequence[int]) -> Quartiles:
    if not values:
        return Quartiles(None, None, None, 0)
    lower, median, upper = np.quantile(values, (0.25, 0.5, 0.75)).tolist()
    return Quartiles(lower, median, upper, len(values))
