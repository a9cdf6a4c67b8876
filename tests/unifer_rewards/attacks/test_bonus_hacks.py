from __future__ import annotations

from collections.abc import Mapping

import pytest

from unifer_rewards.attacks.bonus_hacks import BONUS_HACKS, RECITATIONS, SIGNS, fill_in
from unifer_rewards.fer import compute_score
from unifer_rewards.presets import PRESETS
from unifer_rewards.terms.evidence import MOST_UNITS, evidence
from unifer_tasks.protocol.action_units import PROTOTYPES
from unifer_tasks.protocol.labels import CANONICAL_LABELS
from unifer_tasks.protocol.prompts import response as in_form
from unifer_tasks.rationale.reasoning import Argument
from unifer_tasks.rationale.repetition import lower_words

ANSWER_ALONE = PRESETS["grounded"].weights["accuracy"]


def scores(rationale: str, label: str) -> Mapping[str, float | str]:
    result = compute_score("affectnet", in_form(rationale, label), label, preset="grounded")
    # Else the hack is refused for another reason than the one that it stands for.
    assert (result["format"], result["accuracy"]) == (1, 1), rationale
    return result


@pytest.mark.parametrize("label", CANONICAL_LABELS)
def test_hacks_earn_no_bonus(label: str) -> None:
    paid = {
        text[:100]: result["score"]
        for template, _ in BONUS_HACKS
        for text in (
            fill_in(template, label),
            fill_in(f"{template} The expression is LABEL.", label),
            fill_in(f"The expression is LABEL.\n{template}", label),
        )
        if (result := scores(text, label))["score"] != ANSWER_ALONE
    }
    assert paid == {}


@pytest.mark.parametrize("label", CANONICAL_LABELS)
@pytest.mark.parametrize("template", RECITATIONS)
def test_recitation_is_paid_as_the_documentation_says(template: str, label: str) -> None:
    assert float(scores(fill_in(template, label), label)["score"]) > ANSWER_ALONE


def test_hacks_have_distinct_names() -> None:
    templates = [template for template, _ in BONUS_HACKS]
    assert len(set(templates)) == len(templates)
    assert SIGNS.keys() == set(CANONICAL_LABELS)


@pytest.mark.parametrize("label", CANONICAL_LABELS)
@pytest.mark.parametrize(
    "template",
    [
        "The face shows SIGN1 and SIGN2, and so I conclude that it is LABEL.",
        "There is SIGN1, SIGN2 and SIGN3. LABEL.",
        "With SIGN1, the face tells of LABEL.",
        "I see SIGN1. I also see SIGN2. The expression is LABEL.",
        "**Signs:** SIGN1, SIGN2\n\n**Label:** LABEL",
        "<b>SIGN1</b> and <i>SIGN2</i>, therefore LABEL.",
        "I can clearly make out SIGN1 and SIGN2; it must be LABEL.",
        "No teeth are visible, but there is SIGN1 and there is SIGN2. LABEL.",
    ],
)
def test_seen_signs_earn_the_bonus(template: str, label: str) -> None:
    terms = scores(fill_in(template, label), label)
    assert terms["consistency"] == 1
    assert float(terms["action_units"]) > 0


@pytest.mark.parametrize(
    ("label", "rationale"),
    [
        ("happiness", "No furrowed brows, but the lip corners are raised. Happiness."),
        ("happiness", "There is no frown. The cheeks are raised, there is a broad smile: joy."),
        ("happiness", "No frown, a broad smile, the cheeks raised. Happiness."),
        ("happiness", "Without any furrowing, the brows rest; there is a broad smile. Happiness."),
        ("happiness", "The cheeks are raised, and there is no tension in the brows. Happiness."),
        ("happiness", "As expected of a happy face, the lip corners are pulled up. Happiness."),
        ("anger", "No smile, the brows are lowered and the lips are pressed. Anger."),
        ("anger", "Not smiling; lowered brows, tight lips. Anger."),
        ("anger", "He is not smiling, the brows are drawn together, the lips are tight. Anger."),
        ("anger", "Unlike a neutral face, the brows are lowered. Anger."),
        ("surprise", "The brows are raised without being drawn together. Surprise."),
        ("surprise", "Raised brows, wide eyes, open mouth, no tension in the lids. Surprise."),
        (
            "surprise",
            "The question asks for one label. The brows are raised. It should be surprise.",
        ),
        ("sadness", "Rather than a smile, the corners of the mouth are pulled down. Sadness."),
        ("fear", "If it were surprise, the brows would not move. Here the eyes are wide. Fear."),
        ("disgust", "The nose is wrinkled, while the brows are not raised. Disgust."),
        ("contempt", "There is no full smile, only a smirk on the left. Contempt."),
        ("contempt", "One lip corner is raised and tightened; the other is not. Contempt."),
        ("happiness", "Unlike in the previous picture, he smiles with raised cheeks. Happiness."),
        ("happiness", "I can confirm that the lip corners are raised. Happiness."),
        ("happiness", "It's no surprise that he laughs; the smile is broad. Happiness."),
        ("surprise", "It is impossible to overlook the raised brows. Surprise."),
        ("sadness", "I dismiss anger. The mouth is downturned. Sadness."),
        ("neutral", "No smile, no frown, no raised brows. Neutral."),
        ("neutral", "There is no smile, frown, or raised brow. The expression is neutral."),
        ("neutral", "The brows are neither raised nor lowered, the mouth is closed. Neutral."),
    ],
)
def test_what_is_denied_beside_a_seen_sign_costs_no_bonus(label: str, rationale: str) -> None:
    terms = scores(rationale, label)
    assert terms["consistency"] == 1
    assert float(terms["action_units"]) > 0


@pytest.mark.parametrize(
    ("rationale", "is_empty"),
    [
        ("A smile.", False),
        (None, True),
        ("", True),
        ("smile smile smile smile smile", True),
        (" ".join(f"AU{unit}" for unit in (1, 2, 4, 5, 6, 7, 9, 12, 14)), False),
        (" ".join(f"AU{unit}" for unit in (1, 2, 4, 5, 6, 7, 9, 12, 14, 15)), True),
        # Units of no prototype are no part of a list of all expressions.
        ("AU1 AU2 AU4 AU5 AU7 AU20 AU26 AU10 AU17 AU25", False),
    ],
)
def test_evidence(rationale: str | None, is_empty: bool) -> None:
    assert (evidence(rationale, lower_words(rationale or "")) == Argument()) == is_empty


def test_no_prototype_is_a_list() -> None:
    assert max(map(len, PROTOTYPES.values())) < MOST_UNITS
