from __future__ import annotations

import re
import unicodedata
from string import ascii_lowercase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unifer_rewards.cases import (
    CORPUS,
    DATASETS,
    QUESTIONS,
    RESPONSES,
    hack_responses,
    other_label,
)
from unifer_rewards.attacks.hacks import HACKS
from unifer_rewards.fer import compute_score
from unifer_rewards.preflight import perfect_response
from unifer_rewards.presets import PRESETS, TERMS, RewardError, make_reward
from unifer_tasks.protocol.answers.formats import FORMATS
from unifer_tasks.protocol.answers.strict import read_choice, read_literal
from unifer_tasks.protocol.answers.tags import has_valid_format
from unifer_tasks.protocol.answers.upstream import UNKNOWN
from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.protocol.prompts import response as in_form
from unifer_tasks.rationale.reasoning import exemplary_rationale

GATED = [name for name, reward in PRESETS.items() if reward.gated]


def score(preset: str, response: str, dataset: str, label: str, **options: Any) -> float:
    return float(compute_score(dataset, response, label, preset=preset, **options)["score"])


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(("dataset", "label"), QUESTIONS)
def test_the_right_answer_scores_the_maximum(preset: str, dataset: str, label: str) -> None:
    assert score(preset, perfect_response(label), dataset, label) == PRESETS[preset].maximum


@pytest.mark.parametrize(("dataset", "label"), QUESTIONS)
def test_hacks_score_nothing(dataset: str, label: str) -> None:
    paid = {
        (name, preset): reward
        for name, response in hack_responses(dataset, label).items()
        for preset in GATED
        if (reward := score(preset, response, dataset, label))
    }
    assert paid == {}


def test_hacks_have_distinct_names() -> None:
    assert len({hack.name for hack in HACKS}) == len(HACKS)
    assert len(set(hack_responses("ferplus", "angry").values())) == len(HACKS)


def papers_reward(response: str, solution: str) -> float:
    """Sum the two functions as described, with their own patterns."""

    def answer(text: str) -> str:
        match = re.search(r"<answer>(.*?)</answer>", text, re.DOTALL)
        return (match.group(1) if match else text).strip()

    form = re.fullmatch(r"<think>.*?</think>\s*<answer>.*?</answer>", response, re.DOTALL)
    return float(answer(response) == answer(solution)) + float(form is not None)


@pytest.mark.parametrize(("dataset", "label"), QUESTIONS)
def test_upstream_equals_the_papers_functions_on_the_hacks(dataset: str, label: str) -> None:
    for name, response in hack_responses(dataset, label).items():
        assert score("upstream", response, dataset, label) == papers_reward(response, label), name


@pytest.mark.parametrize("solution", ["fear", "<answer>fear</answer>"])
@pytest.mark.parametrize("response", CORPUS)
def test_upstream_equals_the_papers_functions_on_the_corpus(response: str, solution: str) -> None:
    assert score("upstream", response, "rafdb", solution) == papers_reward(response, solution)


@given(RESPONSES, DATASETS, st.data())
def test_upstream_equals_the_papers_functions(
    response: str, dataset: str, data: st.DataObject
) -> None:
    label = data.draw(st.sampled_from(LABEL_SPACES[dataset].labels))
    assert score("upstream", response, dataset, label) == papers_reward(response, label)


@given(RESPONSES, DATASETS, st.data())
def test_unifer_pays_right_answers_in_form_and_nothing_else(
    response: str, dataset: str, data: st.DataObject
) -> None:
    label = data.draw(st.sampled_from(LABEL_SPACES[dataset].labels))
    literal = read_literal(response, LABEL_SPACES[dataset].labels)
    earned = has_valid_format(response) and literal.label == label
    assert score("unifer", response, dataset, label) == float(earned)


@pytest.mark.parametrize(
    "response",
    [
        r"<think>The mouth.</think><answer>\boxed{fear}</answer>",
        "<think>The mouth.</think><answer><|begin_of_box|>fear<|end_of_box|></answer>",
        "<think>The mouth.</think><answer>fear。</answer>",
        "<think>The mouth.</think><answer>fear</answer><|im_end|>",
        "The mouth.</think><answer>fear</answer>",
        "◁think▷The mouth.◁/think▷<answer>fear</answer>",
    ],
)
def test_what_only_the_benchmark_reads_is_logged_and_not_paid(response: str) -> None:
    for preset in GATED:
        result = compute_score("rafdb", response, "fear", preset=preset)
        assert (result["acc"], result["pred"], result["score"]) == (1, "fear", 0)


def _twins() -> dict[str, set[str]]:
    """Map each ASCII letter to the other characters that folding or compatibility maps to it."""
    twins: dict[str, set[str]] = {letter: set() for letter in ascii_lowercase}
    for twin in map(chr, range(128, 0x110000)):
        for folded in (twin.casefold(), twin.upper().lower(), unicodedata.normalize("NFKC", twin)):
            if folded.lower() in twins:
                twins[folded.lower()].add(twin)
    return twins


_TWINS = _twins()


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("label", LABEL_SPACES["affectnet"].labels)
def test_no_character_that_folds_to_a_letter_is_that_letter(label: str, preset: str) -> None:
    assert {"\u017f", "\uff53"} <= _TWINS["s"]
    assert "\u0131" in _TWINS["i"]
    wrong = score(preset, in_form("The mouth.", "no"), "affectnet", label)
    for letter in set(label):
        for twin in _TWINS[letter]:
            result = compute_score(
                "affectnet",
                in_form("The mouth.", label.replace(letter, twin)),
                label,
                preset=preset,
            )
            assert (result["acc"], result["score"]) == (0, wrong), twin


@given(RESPONSES, st.sampled_from(GATED))
def test_no_wrong_answer_outbids_a_right_one_in_form(rationale: str, preset: str) -> None:
    right = score(preset, in_form("The mouth.", "fear"), "rafdb", "fear")
    wrong = score(preset, in_form(rationale, "anger"), "rafdb", "fear")
    assert wrong == 0 < right


@pytest.mark.parametrize(
    ("rationale", "reward"),
    [
        ("AU6 and AU12, so this is happiness.", 1.0),
        ("Raised cheeks and a smile.", 0.9),
        ("This is happiness.", 0.8),
        ("A smile: happiness.", 0.8 + 0.1 + 0.1 * 2 / 3),
        ("The mouth.", 0.8),
        # What a listing of everything earns instead.
        ("AU1 AU2 AU4 AU5 AU6 AU7 AU9 AU12", 0.8 + 0.1 * 4 / 10),
        ("AU1 AU2 AU4 AU5 AU6 AU7 AU9 AU12 AU14 AU15 AU16 AU20 AU23 AU26", 0.8),
        ("fear, anger, sadness, happiness", 0.8),
        ("This is sadness.", 0.8),
    ],
)
def test_grounded_pays_evidence_beside_a_right_answer(rationale: str, reward: float) -> None:
    response = in_form(rationale, "happiness")
    assert score("grounded", response, "rafdb", "happiness") == pytest.approx(reward)
    assert score("grounded", response, "rafdb", "sadness") == 0


def test_votes_pay_part_of_a_wrong_answer_in_form() -> None:
    # angry, contempt, disgust, fear, happy, neutral, sad, surprise
    row = {"votes": [0, 0, 0, 3, 0, 0, 6, 0]}

    def paid(label: str, response: str = "") -> float:
        text = response or in_form("A smile: this is joy.", label)
        return float(
            compute_score("ferplus", text, "sad", row, preset="grounded", vote_credit=0.5)["score"]
        )

    assert paid("sad") == pytest.approx(0.8)
    assert paid("fear") == pytest.approx(0.8 * 0.5 * 3 / 6)
    assert paid("angry") == paid("contempt") == paid("happy") == 0
    assert paid("fear", "<answer>fear</answer>") == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "papers"}, "unknown preset 'papers'; known: upstream, unifer, grounded"),
        ({"weights": {"acuracy": 1}}, "unknown terms acuracy; known: accuracy, format"),
        ({"weights": {"accuracy": -1}}, "weight of accuracy must be a non-negative number, got -1"),
        ({"weights": {"accuracy": "1"}}, "weight of accuracy must be a non-negative number"),
        (
            {"weights": {"accuracy": float("nan")}},
            "weight of accuracy must be a non-negative number",
        ),
        ({"weights": {"accuracy": 0}}, "at least one term must have a positive weight"),
        ({"vote_credit": 2}, r"vote_credit must be in \[0, 1\], got 2"),
        ({"free_words": 9, "most_words": 9}, "needs 0 <= free_words < most_words"),
        ({"logged": ["acuracy"]}, "unknown terms acuracy; known: accuracy, format"),
        ({"logged": "accuracy"}, "logged must be a list of terms or 'all', got 'accuracy'"),
        ({"logged": None}, "logged must be a list of terms or 'all', got None"),
        ({"most_wrods": 9}, "options of preset 'unifer': .*most_wrods"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RewardError, match=message):
        make_reward(**options)


def test_weights_stand_beside_those_of_the_preset() -> None:
    reward = make_reward("unifer", {"brevity": 0.25}, free_words=1, most_words=5)
    assert reward.weights == {"accuracy": 1.0, "brevity": 0.25}
    assert reward.maximum == 1.25
    words = {"weights": {"brevity": 0.25}, "free_words": 1, "most_words": 5}
    response = in_form("one two", "fear")
    assert score("unifer", response, "rafdb", "fear", **words) == 1 + 0.25 / 2
    assert score("unifer", response, "rafdb", "anger", **words) == 0


@pytest.mark.parametrize(
    ("options", "terms"),
    [
        ({}, {"accuracy", "format"}),
        ({"preset": "upstream"}, {"upstream_accuracy", "upstream_format"}),
        ({"preset": "grounded"}, {"accuracy", "format", "consistency", "action_units"}),
        ({"weights": {"brevity": 0.5}}, {"accuracy", "format", "brevity"}),
        ({"logged": ["repetition"]}, {"accuracy", "format", "repetition"}),
        ({"logged": "all"}, set(TERMS)),
    ],
)
def test_terms_that_count_or_are_asked_for_are_computed(
    options: dict[str, Any], terms: set[str]
) -> None:
    result = compute_score("rafdb", perfect_response("fear"), "fear", **options)
    assert result.keys() & TERMS.keys() == terms
    # What is logged beside it changes nothing that is optimised.
    everything = compute_score(
        "rafdb", perfect_response("fear"), "fear", **options | {"logged": "all"}
    )
    assert result.items() <= everything.items()


@given(RESPONSES, DATASETS, st.data())
def test_the_benchmark_reads_what_is_logged(
    response: str, dataset: str, data: st.DataObject
) -> None:
    labels = LABEL_SPACES[dataset].labels
    truth = data.draw(st.sampled_from(labels))
    result, answer = compute_score(dataset, response, truth), read_choice(response, labels)
    assert (result["pred"], result["outcome"]) == (answer.label or UNKNOWN, answer.outcome)
    assert result["acc"] == (answer.label == truth)


def test_other_label_is_another() -> None:
    assert all(other_label(*question) != question[1] for question in QUESTIONS)


@pytest.mark.parametrize("written", FORMATS)
@pytest.mark.parametrize("asked", FORMATS)
@pytest.mark.parametrize("preset", ["unifer", "grounded"])
def test_a_reward_pays_for_the_format_that_was_asked_for(
    preset: str, asked: str, written: str
) -> None:
    text = FORMATS[written].response(exemplary_rationale("happiness"), "happiness")
    paid = score(preset, text, "rafdb", "happiness", response_format=asked)
    assert (paid > 0) == (asked == written)
    assert score(preset, text, "rafdb", "sadness", response_format=asked) == 0


def test_an_unknown_format_is_named() -> None:
    with pytest.raises(RewardError, match="unknown response_format 'bare'; known: reasoned"):
        make_reward(response_format="bare")
