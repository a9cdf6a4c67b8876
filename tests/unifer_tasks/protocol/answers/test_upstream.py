from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unifer_tasks.protocol.answers.texts import DATASETS, TAGGED_TEXT
from unifer_tasks.protocol.answers.upstream import UNKNOWN, read_upstream
from unifer_tasks.protocol.labels import LABEL_SPACES


@pytest.mark.parametrize(
    ("text", "dataset", "label"),
    [
        # Containment, in the question's order: RAF-DB asks surprise first, AffectNet neutral.
        ("<answer>unhappy</answer>", "ferplus", "happy"),
        ("<answer>neutral or surprise</answer>", "rafdb", "surprise"),
        ("<answer>neutral or surprise</answer>", "affectnet", "neutral"),
        # The first block decides, unless it holds no candidate: then the whole response.
        ("<answer>sad</answer><answer>happy</answer>", "ferplus", "sad"),
        ("<answer>amused</answer> not fear", "ferplus", "fear"),
        ("no block, but anger", "rafdb", "anger"),
        # A candidate of the whole response comes before any synonym.
        ("terror and disgust", "rafdb", "disgust"),
        ("terror and scorn", "affectnet", "contempt"),
        # Where the four lists differ.
        ("mad", "sfew", "angry"),
        ("mad", "affectnet", "anger"),
        ("mad", "rafdb", UNKNOWN),
        ("mad", "ferplus", UNKNOWN),
        ("sorrow", "ferplus", "sad"),
        ("sorrow", "sfew", "sad"),
        ("sorrow", "rafdb", UNKNOWN),
        ("sorrow", "affectnet", UNKNOWN),
        ("anger", "ferplus", "angry"),
        ("joyful", "rafdb", "happiness"),
        ("sadly", "affectnet", "sadness"),
        ("scorn", "rafdb", UNKNOWN),
        ("scorn", "sfew", UNKNOWN),
        ("disdain", "ferplus", "contempt"),
        ("blank", "sfew", "neutral"),
        ("astonishment", "rafdb", "surprise"),
        # Lists are walked in their order: happiness before sadness, sadness before neutral.
        ("calm sorrow", "ferplus", "sad"),
        ("", "rafdb", UNKNOWN),
    ],
)
def test_upstream_reads_as_the_papers_evaluators(text: str, dataset: str, label: str) -> None:
    assert read_upstream(text, dataset) == label


@pytest.mark.parametrize(
    ("text", "own", "pooled"),
    [
        # SFEW's own evaluator takes only lower-case tags, and lets a block span lines.
        ("<ANSWER>sad</ANSWER> not angry", "angry", "sad"),
        ("<answer>sad\nor so</answer> not angry", "sad", "angry"),
        ("<answer>sad</answer> not angry", "sad", "sad"),
    ],
)
def test_only_sfew_has_two_upstream_readings(text: str, own: str, pooled: str) -> None:
    assert read_upstream(text, "sfew") == own
    assert read_upstream(text, "sfew", pooled=True) == pooled
    for dataset in ("rafdb", "ferplus", "affectnet"):
        assert read_upstream(text, dataset) == read_upstream(text, dataset, pooled=True)


UPSTREAM_PATTERN = re.compile(r"<answer>\s*(.*?)\s*</answer>", re.IGNORECASE)
UPSTREAM_PATTERN_SFEW = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)


def upstream_by_pattern(text: str, dataset: str, pooled: bool) -> str:
    """Read as described, step by step and with the evaluators' own patterns."""
    labels = LABEL_SPACES[dataset].labels
    own = dataset == "sfew" and not pooled
    match = (UPSTREAM_PATTERN_SFEW if own else UPSTREAM_PATTERN).search(text)
    if match:
        answer = match.group(1).strip().lower()
        for label in labels:
            if label == answer or label in answer:
                return label
    for label in labels:
        if re.search(rf"\b{label}\b", text.lower()) or label in text.lower():
            return label
    synonyms = {
        "rafdb": "anger angry|disgust revulsion repulsion|fear terror fright|happiness joy happy|"
        "sadness sad|neutral normal calm blank|surprise shock astonishment",
        "ferplus": "angry anger|contempt scorn disdain|disgust revulsion repulsion|"
        "fear terror fright|happy joy happiness|sad sorrow unhappy|neutral normal calm blank|"
        "surprise shock astonishment",
        "affectnet": "anger angry mad|contempt scorn disdain|disgust revulsion repulsion|"
        "fear terror fright|happiness joy happy|sadness sad|neutral normal calm blank|"
        "surprise shock astonishment",
        "sfew": "angry anger mad|disgust revulsion repulsion|fear terror fright|"
        "happy joy happiness|sad sorrow unhappy|neutral normal calm blank|"
        "surprise shock astonishment",
    }
    for entry in synonyms[dataset].split("|"):
        label, *words = entry.split()
        if any(word in text.lower() for word in words):
            return label
    return UNKNOWN


@given(TAGGED_TEXT, DATASETS, st.booleans())
def test_upstream_equals_the_patterns_on_any_mix_of_tags(
    text: str, dataset: str, pooled: bool
) -> None:
    expected = upstream_by_pattern(text, dataset, pooled)
    assert read_upstream(text, dataset, pooled=pooled) == expected
