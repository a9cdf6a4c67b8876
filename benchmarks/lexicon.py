"""How well the lexicon reads rationales, beside labels given by hand.

Run alone: `python -m benchmarks.lexicon`. The labelled rationales and what their labels mean
are in `tests/unifer_tasks/rationale/rationales`.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unifer_tasks.protocol.action_units import AU_NAMES
from unifer_tasks.rationale.reasoning import contradictions, read_rationale

RATIONALES = Path(__file__).parents[1] / "tests" / "unifer_tasks" / "rationale" / "rationales"
PARTS = ("development", "held_out")

Claim = tuple[int, bool, str]
"""(action unit, whether it is seen rather than denied, side or "")."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A rationale and what a person finds in it.

    Attributes:
        style: What kind of rationale it is.
        text: The rationale.
        claims: The action units that it sees or denies.
        evidence: Whether it names anything visible of the face.
        contradictory: Whether it sees two things that exclude each other.
        labels: The canonical labels that it argues for.
    """

    style: str
    text: str
    claims: frozenset[Claim]
    evidence: bool
    contradictory: bool
    labels: frozenset[str]


@dataclass(slots=True)
class Hits:
    """Counts of what a reader finds of what a person found."""

    found: int = 0
    wrong: int = 0
    missed: int = 0

    def add(self, theirs: int, ours: int, common: int) -> None:
        """Count what one rationale adds."""
        self.found += common
        self.wrong += ours - common
        self.missed += theirs - common

    @property
    def precision(self) -> float:
        """Found of all that the reader reports; NaN of nothing."""
        return self.found / reported if (reported := self.found + self.wrong) else math.nan

    @property
    def recall(self) -> float:
        """Found of all that a person found; NaN of nothing."""
        return self.found / there if (there := self.found + self.missed) else math.nan


@dataclass(slots=True)
class LexiconScores:
    """What the lexicon finds in labelled rationales.

    Attributes:
        n: The number of rationales.
        cues: Over all claims, each once a rationale.
        units: The same for each action unit.
        labels: Over the labels argued for.
        no_evidence: Over the rationales that name nothing visible of the face.
        contradictory: Over those that see two things that exclude each other.
        same_labels: Rationales whose labels are exactly a person's.
    """

    n: int = 0
    cues: Hits = field(default_factory=Hits)
    units: dict[int, Hits] = field(default_factory=lambda: {unit: Hits() for unit in AU_NAMES})
    labels: Hits = field(default_factory=Hits)
    no_evidence: Hits = field(default_factory=Hits)
    contradictory: Hits = field(default_factory=Hits)
    same_labels: int = 0


def labelled_rationales(part: str) -> list[Labelled]:
    """Read a part of the labelled set; `PARTS` names them."""
    lines = (RATIONALES / f"{part}.jsonl").read_text(encoding="utf-8").splitlines()
    return [_labelled(json.loads(line)) for line in lines]


def score(rationales: Iterable[Labelled]) -> LexiconScores:
    """Compare what the lexicon reads with what a person did."""
    scores = LexiconScores()
    for rationale in rationales:
        argument = read_rationale(rationale.text)
        claims = {
            (unit, cue.present, "" if cue.side == "both" else cue.side or "")
            for cue in argument.cues
            for unit in cue.units
        }
        labels = argument.argued
        common = claims & rationale.claims
        theirs, ours, both = map(_units, (rationale.claims, claims, common))
        for unit, hits in scores.units.items():
            hits.add(theirs[unit], ours[unit], both[unit])
        scores.n += 1
        scores.cues.add(len(rationale.claims), len(claims), len(common))
        scores.labels.add(len(rationale.labels), len(labels), len(labels & rationale.labels))
        for hits, there, read in (
            (scores.no_evidence, not rationale.evidence, not argument.cues),
            (scores.contradictory, rationale.contradictory, bool(contradictions(argument))),
        ):
            hits.add(there, read, there and read)
        scores.same_labels += labels == rationale.labels
    return scores


def main() -> None:
    """Print precision and recall of both parts, and of each action unit."""
    for part in PARTS:
        scores = score(labelled_rationales(part))
        print(f"{part}: {scores.n} rationales, {scores.same_labels} with exactly the same labels")
        print(f"  {'':<30}{'precision':>10}{'recall':>8}{'found':>7}{'wrong':>7}{'missed':>7}")
        for name, hits in _rows(scores):
            counts = f"{hits.found:>7}{hits.wrong:>7}{hits.missed:>7}"
            print(f"  {name:<30}{hits.precision:>10.3f}{hits.recall:>8.3f}{counts}")


def _rows(scores: LexiconScores) -> Iterator[tuple[str, Hits]]:
    yield "action-unit cues", scores.cues
    yield "argued labels", scores.labels
    yield "no visible evidence", scores.no_evidence
    yield "cues that exclude each other", scores.contradictory
    for unit, hits in scores.units.items():
        yield f"AU{unit} {AU_NAMES[unit]}", hits


def _labelled(row: dict[str, Any]) -> Labelled:
    claims = frozenset(map(_claim, row["cues"]))
    evidence = row.get("evidence", bool(claims))
    contradictory = row.get("contradictory", False)
    labels = frozenset(row["labels"])
    return Labelled(row["style"], row["text"], claims, evidence, contradictory, labels)


def _claim(cue: str) -> Claim:
    """Read "12", "-4" (denied) or "14 left"."""
    number, _, side = cue.partition(" ")
    return abs(int(number)), not number.startswith("-"), side


def _units(claims: Iterable[Claim]) -> Counter[int]:
    return Counter(unit for unit, _, _ in claims)


if __name__ == "__main__":
    main()
