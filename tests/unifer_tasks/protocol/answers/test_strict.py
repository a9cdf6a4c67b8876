from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unifer_tasks.protocol.answers.texts import DATASETS, TAGGED_TEXT
from unifer_tasks.protocol.answers.model_formats import (
    FULL_WIDTH,
    THINKING,
    WRAPPERS,
    Thinking,
    Wrapper,
)
from unifer_tasks.protocol.answers.outcomes import Outcome
from unifer_tasks.protocol.answers.strict import Answer, read_answer, read_label, read_literal
from unifer_tasks.protocol.answers.tags import has_valid_format
from unifer_tasks.protocol.answers.upstream import UNKNOWN, read_upstream, read_upstream_label
from unifer_tasks.protocol.labels import (
    LABEL_SPACES,
    UnknownDatasetError,
    canonical,
    label_space,
)
from unifer_tasks.protocol.prompts import response


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
        ("<answer>\u00a0fear\u2028</answer>", "rafdb", "fear"),
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
        ("I'm not comfortable inferring emotions.", "rafdb", Outcome.REFUSED),
        ("I don't feel comfortable labelling a face.", "rafdb", Outcome.REFUSED),
        ("I am not allowed to infer emotions.", "rafdb", Outcome.REFUSED),
        ("I must respectfully decline.", "rafdb", Outcome.REFUSED),
        ("I do not have the ability to see images.", "rafdb", Outcome.REFUSED),
        ("It says [SAFETY_BLOCKED:x] above.", "rafdb", Outcome.MISSING),
        ("<think>The brows are lowered, I cannot see", "rafdb", Outcome.TRUNCATED),
        ("<think>Lowered brows.</think><answer>ang", "rafdb", Outcome.TRUNCATED),
        # Drafts in the thinking are not the answer.
        ("<think>So <answer>fear</answer></think>", "rafdb", Outcome.MISSING),
        ("So <answer>fear</answer></think>", "rafdb", Outcome.MISSING),
        ("<think>In <answer> tags.</think>fear</answer>", "rafdb", Outcome.MISSING),
        ("<think>Say <answer>fear</answer> fits, but", "rafdb", Outcome.TRUNCATED),
        ("<think>I cannot identify people.</think>Fear.", "rafdb", Outcome.MISSING),
        ("<think>A face.</think>I cannot identify people.", "rafdb", Outcome.REFUSED),
        ("<answer>fear<answer>", "rafdb", Outcome.TRUNCATED),
        ("<answer><think>A face.</think>fear</answer>", "rafdb", Outcome.OFF_LIST),
        # Wrappers hide no second label, no sentence and no missing block.
        (r"<answer>\boxed{happy}\boxed{sad}</answer>", "ferplus", Outcome.AMBIGUOUS),
        (r"<answer>\boxed{happy} or \boxed{sad}</answer>", "ferplus", Outcome.AMBIGUOUS),
        ("<answer>Happy、Sad。</answer>", "ferplus", Outcome.AMBIGUOUS),
        (
            "<answer><|begin_of_box|>fear<|end_of_box|><|begin_of_box|>anger<|end_of_box|></answer>",
            "rafdb",
            Outcome.AMBIGUOUS,
        ),
        (r"<answer>\boxed{happy} \boxed{happy}</answer>", "ferplus", Outcome.OFF_LIST),
        (r"<answer>It is \boxed{happy}</answer>", "ferplus", Outcome.OFF_LIST),
        (r"<answer>\frac{happy}{1}</answer>", "ferplus", Outcome.OFF_LIST),
        (r"<answer>\boxed{}</answer>", "ferplus", Outcome.EMPTY),
        ("<answer>$ 。 <|im_end|></answer>", "ferplus", Outcome.EMPTY),
        (r"\boxed{happy}", "ferplus", Outcome.MISSING),
        ("<|begin_of_box|>happy<|end_of_box|>", "ferplus", Outcome.MISSING),
        ("\uff1canswer\uff1ehappy\uff1c/answer\uff1e", "ferplus", Outcome.MISSING),
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
        ("<think>\n</think><think>two</think><answer>fear</answer>", "two"),
        ("<think>\u3164_</think><think> </think><answer>fear</answer>", "\u3164_"),
        ("<THINK>a</THINK><answer>fear</answer>", "a"),
        ("<think>a<answer>fear</answer>", None),
        ("<think>a<answer>fear</answer>\n<|im_end|>", None),
        ("a</think><answer>fear</answer>", "a"),
        ("a</think><think>b</think><answer>fear</answer>", "a"),
        ("</think>\n<think>b</think><answer>fear</answer>", "b"),
        ("<think>a</think><answer>fear</answer></think>", "a"),
        ("<think>a ◁think▷ b◁/think▷ c</think><answer>fear</answer>", "a ◁think▷ b◁/think▷ c"),
        (
            "<think>or <answer>anger</answer>?</think><answer>fear</answer>",
            "or <answer>anger</answer>?",
        ),
        ("or <answer>anger</answer>?</think><answer>fear</answer>", "or <answer>anger</answer>?"),
        ("<answer> it is. <think>a</think><answer>fear</answer>", "a"),
        # The thought quotes marks; the mark right before the answer ends it.
        (
            "<think>Use <think>.</think><answer>anger</answer>. Up.</think>\n<answer>fear</answer>",
            "Use <think>.</think><answer>anger</answer>. Up.",
        ),
        (
            "Write <think></think>, <answer></answer>. Up.</think><answer>fear</answer>",
            "Write <think></think>, <answer></answer>. Up.",
        ),
        ("<think>a</think> b </think> c <answer>fear</answer>", "a"),
        ("<think>a</think><think>b</think><answer>fear</answer>", "a"),
        ("<think>a</think>\n<answer>\n<think>b</think>\n<answer>fear</answer>\n</answer>", "a"),
    ],
)
def test_rationale_is_the_first_thought_with_a_word(text: str, rationale: str | None) -> None:
    assert read_answer(text, "rafdb") == Answer("fear", Outcome.ANSWERED, rationale)


THOUGHT = "The brows; <answer>anger</answer>?"


@pytest.mark.parametrize(
    ("opening", "closing", "family"),
    [
        (opening, closing, family)
        for family in THINKING
        for opening in (*family.opening, *([""] if family.closes_alone else []))
        for closing in family.closing
    ],
)
def test_every_family_keeps_its_rationale(opening: str, closing: str, family: Thinking) -> None:
    text = f"{opening}{THOUGHT}{closing}\n<answer>fear</answer>"
    assert read_answer(text, "rafdb") == Answer("fear", Outcome.ANSWERED, THOUGHT)
    cut_off = read_answer(f"{opening}The brows {closing[:-1]}", "rafdb")
    assert cut_off.outcome is (Outcome.TRUNCATED if opening else Outcome.MISSING)


def test_a_turns_end_closes_no_thought_by_itself() -> None:
    text = "The brows. <answer>fear</answer><|end|>"
    assert read_answer(text, "rafdb") == Answer("fear", Outcome.ANSWERED)


@pytest.mark.parametrize("wrapper", WRAPPERS, ids=lambda wrapper: wrapper.closing)
def test_every_wrapper_is_taken_off_and_none_is_paid(wrapper: Wrapper) -> None:
    for wrapped in (
        f"{wrapper.opening}Happy{wrapper.closing}",
        f"\n**{wrapper.opening} happy.{wrapper.closing}** ",
        rf"{wrapper.opening}$\boxed{{\text{{happy}}}}${wrapper.closing}",
    ):
        text = f"<think>a</think><answer>{wrapped}</answer>"
        assert read_answer(text, "ferplus") == Answer("happy", Outcome.ANSWERED, "a")
        assert read_label(wrapped, "ferplus").label == "happy"
        assert read_literal(text, LABEL_SPACES["ferplus"].labels).label is None
    around = f"{wrapper.opening}<answer>happy</answer>{wrapper.closing}"
    assert read_answer(around, "ferplus").label == "happy"


def test_every_format_names_its_source() -> None:
    assert all(each.models and each.source for each in (*THINKING, *WRAPPERS))


@pytest.mark.parametrize("mark", FULL_WIDTH + "\u3000")
def test_full_width_punctuation_is_taken_off_and_not_paid(mark: str) -> None:
    text = f"<answer>{mark}happy{mark}</answer>"
    assert read_answer(text, "ferplus").label == "happy"
    assert read_literal(text, LABEL_SPACES["ferplus"].labels).label is None


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("<think>a</think><answer> **Happy**.\n</answer>", "happy"),
        ("<think>a</think><answer>joy</answer>", "happy"),
        ("a</think><answer>happy</answer>", "happy"),
        ("<think><answer>happy</answer></think>", None),
        ("<answer>happy<|im_end|></answer>", None),
        ("<answer>\u00a0happy</answer>", None),
    ],
)
def test_literal_reads_the_form_that_was_asked_for(text: str, label: str | None) -> None:
    assert read_literal(text, LABEL_SPACES["ferplus"].labels).label == label


@given(TAGGED_TEXT, DATASETS)
def test_strict_reads_all_that_literal_reads_in_form(text: str, dataset: str) -> None:
    literal = read_literal(text, label_space(dataset).labels)
    if has_valid_format(text) and literal.label:
        assert read_answer(text, dataset) == literal


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
def test_every_target_reads_as_itself(dataset: str) -> None:
    for label in LABEL_SPACES[dataset].labels:
        text = response("The face shows no other candidate.", label)
        assert read_answer(text, dataset).label == label
        assert read_upstream(text, dataset) == label
        assert read_upstream(text, dataset, pooled=True) == label
        assert read_upstream_label(label, dataset) == label
        assert read_answer(response("", canonical(label)), dataset).label == label


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


SIZE = 400_000
UNITS = (
    *("<answer>", "</answer>", "<think>", "</think>", "<answer>\n", "</answer>\n<answer>"),
    *("</think> ", "</think>\n<answer>", "<think> </think>", "<answer>happy</answer>"),
    *("\n", " ", "\u3000", "\u3164", "<", "</", "[SAFETY_BLOCKED:", "finish_reason=", "I'm "),
    *("\\boxed{", "}", "$", "*", "。", "<|im_end|>", "happy ", "x\n", "\u0130"),
    *(mark for family in THINKING for mark in (*family.opening, *family.closing)),
)


@pytest.mark.parametrize(
    "shape",
    [
        "{}",
        "<think>{}</think><answer>x</answer>",
        "<think>a</think><answer>{}",
        "<answer>{}x{}</answer>",
        "{}</think><think></think>",
    ],
)
@pytest.mark.parametrize("unit", UNITS)
def test_hostile_text_is_read_in_one_pass(shape: str, unit: str) -> None:
    # Not timed: in quadratic time a single case runs for minutes.
    text = shape.replace("{}", unit * (SIZE // len(unit)))
    assert read_answer(text, "ferplus").label in {None, "happy"}
    assert read_upstream(text, "ferplus") in {UNKNOWN, "happy"}
    assert has_valid_format(text) in {True, False}
