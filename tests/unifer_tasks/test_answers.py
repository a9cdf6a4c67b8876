from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unifer_tasks.answers import (
    UNKNOWN,
    Answer,
    Outcome,
    read_answer,
    read_label,
    read_upstream,
    read_upstream_label,
)
from unifer_tasks.labels import LABEL_SPACES, UnknownDatasetError, canonical
from unifer_tasks.prompts import response

DATASETS = st.sampled_from(sorted(LABEL_SPACES))

# Pieces that the readers must tell apart, mixed at will.
TAGGED_TEXT = st.lists(
    st.sampled_from(
        [
            "<answer>",
            "</answer>",
            "<ANSWER>",
            "</Answer>",
            "<an\u017fwer>",
            "</an\u017fwer>",
            "<think>",
            "</think>",
            "happy",
            "unhappy",
            "Anger",
            "fear",
            "disdain",
            "mad",
            "blank",
            " ",
            "\n",
            "\r",
            "\x0b",
            "\u2028",
            "\u00a0",
            "x",
            ".",
            "<",
        ]
    ),
    max_size=14,
).map("".join)


@pytest.mark.parametrize(
    ("answer", "dataset", "label"),
    [
        ("<answer>happy</answer>", "ferplus", "happy"),
        ("<answer>happiness</answer>", "ferplus", "happy"),
        ("<answer>happy</answer>", "rafdb", "happiness"),
        ("<answer>\n  Happy \n</answer>", "ferplus", "happy"),
        ("<answer>**Happy**.</answer>", "sfew", "happy"),
        ('<answer>"sad"</answer>', "sfew", "sad"),
        ("<ANSWER>SAD</ANSWER>", "sfew", "sad"),
        ("<answer>joy</answer>", "affectnet", "happiness"),
        ("<answer>unhappy</answer>", "ferplus", "sad"),
        ("<answer>mad</answer>", "rafdb", "anger"),
        ("<answer>scorn</answer>", "affectnet", "contempt"),
        ("<answer>blank</answer>", "rafdb", "neutral"),
        ("<answer>fear</answer> I mean <answer>anger</answer>", "rafdb", "anger"),
        ("<answer>fear <answer>anger</answer>", "rafdb", "anger"),
        ("<answer>fear</answer></answer>", "rafdb", "fear"),
        ("<answer>fear</answer><answer>ang", "rafdb", "fear"),
        ("no tags before <answer>fear</answer> and after", "rafdb", "fear"),
    ],
)
def test_strict_reads_one_label(answer: str, dataset: str, label: str) -> None:
    assert read_answer(answer, dataset) == Answer(label, Outcome.ANSWERED)


@pytest.mark.parametrize(
    ("answer", "dataset", "outcome"),
    [
        ("", "rafdb", Outcome.MISSING),
        ("The person looks happy.", "rafdb", Outcome.MISSING),
        ("<think>Smiling, so happy.</think>", "rafdb", Outcome.MISSING),
        ("happiness</answer>", "rafdb", Outcome.MISSING),
        ("< answer >fear</answer>", "rafdb", Outcome.MISSING),
        ("<answer>fear</ answer>", "rafdb", Outcome.TRUNCATED),
        ("<answer></answer>", "rafdb", Outcome.EMPTY),
        ("<answer> \n. </answer>", "rafdb", Outcome.EMPTY),
        ("<answer>happy or sad</answer>", "rafdb", Outcome.AMBIGUOUS),
        ("<answer>surprise, fear, disgust</answer>", "rafdb", Outcome.AMBIGUOUS),
        ("<answer>joy/fear</answer>", "rafdb", Outcome.AMBIGUOUS),
        ("<answer>amused</answer>", "rafdb", Outcome.OFF_LIST),
        ("<answer>contempt</answer>", "rafdb", Outcome.OFF_LIST),
        ("<answer>contempt or anger</answer>", "rafdb", Outcome.OFF_LIST),
        ("<answer>the person is happy</answer>", "rafdb", Outcome.OFF_LIST),
        ("<answer>happy happiness</answer>", "rafdb", Outcome.OFF_LIST),
        ("<answer>fearful</answer>", "rafdb", Outcome.OFF_LIST),
        ("<answer>h\u0430ppy</answer>", "ferplus", Outcome.OFF_LIST),
        ("<answer>\uff46\uff45\uff41\uff52</answer>", "rafdb", Outcome.OFF_LIST),
        ("<answer>\u017fad</answer>", "ferplus", Outcome.OFF_LIST),
        ("<answer>sa\u200bd</answer>", "ferplus", Outcome.OFF_LIST),
        ("<answer>freude</answer>", "ferplus", Outcome.OFF_LIST),
        ("<answer><b>sad</b></answer>", "ferplus", Outcome.OFF_LIST),
        ("<answer>I cannot determine this.</answer>", "rafdb", Outcome.REFUSED),
        ("I'm sorry, but I can't help with that.", "rafdb", Outcome.REFUSED),
        ("I\u2019m unable to identify emotions of people.", "rafdb", Outcome.REFUSED),
        ("As an AI, I do not judge faces.", "rafdb", Outcome.REFUSED),
        ("[SAFETY_BLOCKED:finish_reason=SAFETY]", "rafdb", Outcome.REFUSED),
        ("It says [SAFETY_BLOCKED:x] above.", "rafdb", Outcome.MISSING),
        ("<think>The brows are lowered, I cannot see", "rafdb", Outcome.TRUNCATED),
        ("<think>Lowered brows.</think><answer>ang", "rafdb", Outcome.TRUNCATED),
        ("[LMMS_EVAL_REQUEST_FAILED after 5 retries] timeout", "rafdb", Outcome.REQUEST_FAILED),
        ("[LMMS_EVAL_BUDGET_EXCEEDED]", "rafdb", Outcome.REQUEST_FAILED),
    ],
)
def test_strict_names_what_is_not_an_answer(answer: str, dataset: str, outcome: Outcome) -> None:
    read = read_answer(answer, dataset)
    assert (read.label, read.outcome) == (None, outcome)


@pytest.mark.parametrize(
    ("text", "rationale"),
    [
        ("<think>a\nb</think><answer>fear</answer>", "a\nb"),
        ("<think>one</think><think>two</think><answer>fear</answer>", "one"),
        ("<THINK>a</THINK><answer>fear</answer>", "a"),
        ("<think>a<answer>fear</answer>", None),
        ("a</think><answer>fear</answer>", None),
    ],
)
def test_rationale_is_the_first_closed_think_block(text: str, rationale: str | None) -> None:
    assert read_answer(text, "rafdb").rationale == rationale


@pytest.mark.parametrize(
    ("text", "label", "outcome"),
    [
        ("Happiness", "happiness", Outcome.ANSWERED),
        ("happy", "happiness", Outcome.ANSWERED),
        ("", None, Outcome.EMPTY),
        ("unknown", None, Outcome.OFF_LIST),
        ("happy, sad", None, Outcome.AMBIGUOUS),
    ],
)
def test_strict_takes_extracted_labels(text: str, label: str | None, outcome: Outcome) -> None:
    assert read_label(text, "rafdb") == Answer(label, outcome)


@pytest.mark.parametrize("dataset", sorted(LABEL_SPACES))
def test_every_gold_answer_reads_as_itself(dataset: str) -> None:
    for label in LABEL_SPACES[dataset].labels:
        text = response("The face shows no other candidate.", label)
        assert read_answer(text, dataset).label == label
        assert read_upstream(text, dataset) == label
        assert read_upstream(text, dataset, pooled=True) == label
        assert read_upstream_label(label, dataset) == label
        assert read_answer(response("", canonical(label)), dataset).label == label


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
    """The described reading, step by step and with the evaluators' own patterns."""
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


@given(st.one_of(TAGGED_TEXT, st.text()), DATASETS)
def test_strict_never_raises_and_answers_only_candidates(text: str, dataset: str) -> None:
    answer = read_answer(text, dataset)
    assert (answer.label is None) == (answer.outcome is not Outcome.ANSWERED)
    assert answer.label is None or answer.label in LABEL_SPACES[dataset].labels


@given(st.text(alphabet=st.characters(exclude_characters="<")), DATASETS, st.data())
def test_what_stands_before_the_last_block_does_not_matter(
    text: str, dataset: str, data: st.DataObject
) -> None:
    label = data.draw(st.sampled_from(LABEL_SPACES[dataset].labels))
    block = f"<answer>{label}</answer>"
    assert read_answer(f"{text}<answer>{text}</answer>{block}", dataset).label == label


@pytest.mark.parametrize("call", [read_answer, read_label, read_upstream, read_upstream_label])
def test_unknown_dataset_is_named(call: object) -> None:
    with pytest.raises(UnknownDatasetError, match=r"'fer2013'; known: rafdb, ferplus"):
        call("<answer>fear</answer>", "fer2013")  # type: ignore[operator]


@pytest.mark.parametrize(
    "text",
    [
        "<answer>" * 100_000,
        "<answer>" * 100_000 + "x\ny</answer>",
        "<answer>\nx\ny</answer>" * 40_000,
        ("<answer>" + " " * 5) * 60_000 + "</answer>",
        "<answer>" + " " * 1_000_000,
        "<think>" * 100_000 + "</think>" * 100_000,
        "<answer>" + "fear " * 200_000 + "</answer>",
    ],
    ids=["open", "open-feed", "blocks", "spaced", "spaces", "think", "words"],
)
def test_a_megabyte_of_tags_is_read_in_one_pass(text: str) -> None:
    # Not timed: with upstream's own pattern the first case alone runs for minutes.
    assert read_answer(text, "rafdb").label is None
    assert read_upstream(text, "rafdb") in {UNKNOWN, "fear"}
