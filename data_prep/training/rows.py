"""Training rows as verl reads them.

An image is named by path and read at the benchmark's size: verl's trainers pass the keys
`resized_height` and `resized_width` to qwen-vl-utils. A model that is trained at one size and
evaluated at another loses most of what it learned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from data_prep.images.fingerprints import Examined
from unifer_tasks.protocol.images import IMAGE_SIZE
from unifer_tasks.protocol.labels import label_space
from unifer_tasks.protocol.prompts import question

ABILITY = "facial expression recognition"

_TEXT, _NUMBER = pa.string(), pa.int64()
_MESSAGES = pa.list_(pa.struct({"role": _TEXT, "content": _TEXT}))
_IMAGES = pa.list_(pa.struct({"image": _TEXT, "resized_height": _NUMBER, "resized_width": _NUMBER}))

RLVR_SCHEMA = pa.schema(
    {
        "data_source": _TEXT,
        "prompt": _MESSAGES,
        "images": _IMAGES,
        "ability": _TEXT,
        "reward_model": pa.struct({"style": _TEXT, "ground_truth": _TEXT}),
        "extra_info": pa.struct(
            {
                "split": _TEXT,
                "index": _NUMBER,
                "id": _TEXT,
                "candidate_labels": pa.list_(_TEXT),
                "votes": pa.list_(_NUMBER),
                "valence": pa.float64(),
                "arousal": pa.float64(),
                "n_prompt_tokens": _NUMBER,
            }
        ),
    }
)

SFT_SCHEMA = pa.schema(
    {
        "messages": _MESSAGES,
        "images": _IMAGES,
        "data_source": _TEXT,
        "extra_info": pa.struct(
            {"index": _NUMBER, "id": _TEXT, "label": _TEXT, "mode": _TEXT, "teacher": _TEXT}
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Form:
    """The rows of a training stage.

    Attributes:
        kind: The stage's name in manifests.
        schema: The schema of its parquet files.
        row: Makes a row, given an examined image, its part, its number there and the tokens of
            its prompt if they were counted.
    """

    kind: str
    schema: pa.Schema
    row: Callable[[Examined, str, int, int | None], dict[str, Any]]


def sft_form(mode: str, teacher: str | None = None) -> Form:
    """Return the form of cold-start rows; a response keeps its tags.

    Args:
        mode: The origin of the rationales: `blind`, `hinted`, `published` or `drawn`.
        teacher: The model that wrote them.
    """

    def row(found: Examined, part: str, index: int, n_prompt_tokens: int | None) -> dict[str, Any]:
        return {
            "messages": [
                _user_message(found),
                {"role": "assistant", "content": found.response},
            ],
            "images": [_image(found.file)],
            "data_source": found.dataset,
            "extra_info": {
                "index": index,
                "id": found.id,
                "label": found.label,
                "mode": mode,
                "teacher": teacher,
            },
        }

    return Form("cot", SFT_SCHEMA, row)


def _rlvr_row(
    found: Examined, part: str, index: int, n_prompt_tokens: int | None
) -> dict[str, Any]:
    return {
        "data_source": found.dataset,
        "prompt": [_user_message(found)],
        "images": [_image(found.file)],
        "ability": ABILITY,
        "reward_model": {"style": "rule", "ground_truth": found.label},
        "extra_info": {
            "split": part,
            "index": index,
            "id": found.id,
            "candidate_labels": list(label_space(found.dataset).labels),
            "votes": found.votes,
            "valence": found.valence,
            "arousal": found.arousal,
            "n_prompt_tokens": n_prompt_tokens,
        },
    }


def _user_message(found: Examined) -> dict[str, str]:
    asked = found.prompt or question(label_space(found.dataset).labels)
    return {"role": "user", "content": "<image>" + asked}


def _image(path: str) -> dict[str, Any]:
    width, height = IMAGE_SIZE
    return {"image": path, "resized_height": height, "resized_width": width}


RLVR = Form("rlvr", RLVR_SCHEMA, _rlvr_row)
PUBLISHED_COT = sft_form("published")
