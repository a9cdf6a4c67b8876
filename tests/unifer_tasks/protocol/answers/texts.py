"""Texts that the readers must tell apart."""

from __future__ import annotations

from hypothesis import strategies as st

from unifer_tasks.protocol.labels import FERBENCH

DATASETS = st.sampled_from(sorted(FERBENCH))

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
            "◁think▷",
            "◁/think▷",
            "<|begin_of_box|>",
            "\\boxed{",
            "}",
            "。",
            "<|im_end|>",
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
