"""Responses that every reward must survive, and a strategy that mixes more of them."""

from __future__ import annotations

from hypothesis import strategies as st

from unifer_rewards.attacks.hacks import HACKS, MEGABYTE
from unifer_rewards.preflight import perfect_response
from unifer_tasks.protocol.labels import LABEL_SPACES

DATASETS = st.sampled_from(sorted(LABEL_SPACES))

QUESTIONS = [(dataset, label) for dataset, space in LABEL_SPACES.items() for label in space.labels]


def other_label(dataset: str, label: str) -> str:
    return next(other for other in LABEL_SPACES[dataset].labels if other != label)


def hack_responses(dataset: str, label: str) -> dict[str, str]:
    labels = LABEL_SPACES[dataset].labels
    return {
        hack.name: hack.response(label, other_label(dataset, label), labels)
        for hack in HACKS
        # A megabyte for every label would cost minutes and show nothing more.
        if label == labels[0] or not hack.name.startswith("a megabyte")
    }


_NASTY = [
    "",
    " ",
    "\x00",
    "\ud800",
    "\ufeff",
    "\u202eyppah\u202c",
    "ha\u0301ppy",
    "\U0001f642",
    "%s%n{0}{}",
    "\\1\\g<0>(?P<x>",
    "</think></answer>",
    "9" * 5000,
    "AU" + "1" * 5000,
    "\r\n" * 10,
    "\u2028\u2029\x0b\x0c\x1c\x85",
    "None",
    "nan",
    "<![CDATA[<answer>fear</answer>]]>",
    "I'm sorry, but I can't help with that.",
    "表情は幸せです",
    "ﷺ" * 100,
    "no " * 1000,
    "brows and " * 1000 + "raised",
]

CORPUS = [
    form.format(text)
    for text in (text.replace("{", "{{").replace("}", "}}") for text in _NASTY)
    for form in (
        "{}",
        "<think>{}</think><answer>fear</answer>",
        "<think>brows</think><answer>{}</answer>",
        "{}<think>brows</think><answer>fear</answer>",
        "<think>brows</think>{}<answer>fear</answer>{}".replace("{}", "{0}"),
    )
] + [perfect_response("fear"), perfect_response("fear").upper(), perfect_response("fear") + "\n"]

RESPONSES = st.one_of(
    st.text(),
    st.sampled_from(CORPUS),
    st.lists(
        st.sampled_from(
            [
                *("<think>", "</think>", "<answer>", "</answer>", "<ANSWER>", "</an\u017fwer>"),
                *("fear", "Happy", "sad", "angry", "contempt", "raised brows", "no smile", "AU12"),
                *("◁think▷", "◁/think▷", "<|begin_of_box|>", "\\boxed{", "}", "。", "\u3164", "_"),
                *(" ", "\n", "\u00a0", "\u200b", "x", ".", "<"),
            ]
        ),
        max_size=12,
    ).map("".join),
)
"""Megabytes aside, anything that a model may say."""

assert all(len(text) < MEGABYTE for text in CORPUS)
