from __future__ import annotations

import pytest

from benchmarks.lexicon import PARTS, labelled_rationales, main, score
from unifer_tasks.protocol.action_units import AU_NAMES
from unifer_tasks.protocol.labels import CANONICAL_LABELS


@pytest.mark.parametrize(
    ("part", "precision", "recall"), [("development", 0.95, 0.94), ("held_out", 0.95, 0.90)]
)
def test_cues_are_found(part: str, precision: float, recall: float) -> None:
    cues = score(labelled_rationales(part)).cues
    assert cues.precision >= precision, cues
    assert cues.recall >= recall, cues


@pytest.mark.parametrize("part", PARTS)
def test_argued_labels_are_found(part: str) -> None:
    scores = score(labelled_rationales(part))
    assert min(scores.labels.precision, scores.labels.recall) >= 0.97, scores.labels
    assert scores.same_labels / scores.n >= 0.95


@pytest.mark.parametrize("part", PARTS)
def test_no_rationale_without_evidence_is_overlooked(part: str) -> None:
    scores = score(labelled_rationales(part))
    assert scores.no_evidence.recall == 1
    assert scores.no_evidence.precision >= 0.85


@pytest.mark.parametrize("part", PARTS)
def test_contradictions_are_found(part: str) -> None:
    contradictory = score(labelled_rationales(part)).contradictory
    assert contradictory.recall == 1
    assert contradictory.wrong <= 1


def test_labelled_set_is_whole() -> None:
    rationales = [rationale for part in PARTS for rationale in labelled_rationales(part)]
    assert len(rationales) >= 150
    assert len({rationale.text for rationale in rationales}) == len(rationales)
    for rationale in rationales:
        assert rationale.labels <= set(CANONICAL_LABELS)
        assert rationale.evidence or not rationale.claims
        for unit, _, side in rationale.claims:
            assert unit in AU_NAMES
            assert side in {"", "left", "right", "one"}
    claimed = {unit for rationale in rationales for unit, _, _ in rationale.claims}
    assert claimed == set(AU_NAMES)


def test_table_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    main()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(PARTS) * (2 + 4 + len(AU_NAMES))
    # Of a unit that a part does not mention there is no precision.
    assert any("AU16" in line and "nan" in line for line in lines)
