from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest

from tests.unifer_tasks.report.page.made_up import assessed, run, three_runs
from unifer_tasks.data.predictions import Prediction
from unifer_tasks.protocol.labels import CANONICAL_LABELS
from unifer_tasks.protocol.prompts import response
from unifer_tasks.protocol.variants.listed import VARIANTS
from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.report.page.payload import CHUNK, GAP, HEAD, TAIL, all_questions, blocks
from unifer_tasks.scoring.summary import OUTCOMES


def unpack(assessments: list[Assessment]) -> dict[str, bytes]:
    packed = blocks(assessments, all_questions(assessments), {})
    return {block.id: gzip.decompress(base64.b64decode(block.packed)) for block in packed}


def test_columns_hold_what_was_read() -> None:
    runs = three_runs(300)
    parts = unpack(runs)
    questions = json.loads(parts["questions"])
    n = len(questions["id"])
    assert n == 600
    assert set(questions["image"]) == {-1}
    for number, one in enumerate(runs):
        columns = parts[f"readings-{number}"]
        outcomes, answers = columns[:n], columns[n:]
        assert len(answers) == n
        heard = [place for place in range(n) if outcomes[place] != 254]
        assert len(heard) == len(one.readings)
        right = sum(answers[place] == questions["target"][place] for place in heard)
        assert right == round((one.strict.pooled.scores["accuracy"] or 0) * one.strict.pooled.n)
        for outcome, count in one.strict.pooled.outcomes.items():
            assert outcomes.count(OUTCOMES["strict"].index(outcome)) == count


def test_a_part_of_a_dataset_shows_the_images_of_the_whole() -> None:
    rows = [Prediction(key, "a", "fear", label="fear") for key in ("affectnet", "affectnet7")]
    runs = assessed(run("R", rows))
    images = {"affectnet": {"a": 5}}
    (packed, *_) = blocks(runs, all_questions(runs), images)
    found = json.loads(gzip.decompress(base64.b64decode(packed.packed)))
    assert found["image"] == [5, 5]
    assert found["dataset"][0] != found["dataset"][1]


def test_what_was_done_to_an_image_lies_beside_its_response() -> None:
    rows = [Prediction("sfew", id_, "fear", label="fear") for id_ in ("a", "b")]
    parts = unpack(assessed(run("R", rows), run("R", rows[:1], variant=VARIANTS["corrupted"])))
    found = [json.loads(parts[f"responses-{number}-0"])["corrupted"] for number in (0, 1)]
    assert found == [{}, {"0": "mask, strength 3"}]


def test_every_response_lies_in_the_block_of_its_number() -> None:
    runs = three_runs(300)
    parts = unpack(runs)
    ids = json.loads(parts["questions"])["id"]
    said = {row.prediction.id: row.prediction for row in runs[0].readings}
    for first in range(0, len(ids), CHUNK):
        block = json.loads(parts[f"responses-0-{first // CHUNK}"])
        for place, text in enumerate(block["texts"]):
            prediction = said[ids[first + place]]
            assert text == prediction.response
            assert block["labels"].get(str(place)) == prediction.label


@pytest.mark.parametrize(
    "lead", ["", "Hm. ", "😀😀 ", "é 表情 ", "\ud83d half ", "<answer>fear</answer> "]
)
def test_cues_point_at_their_words_as_javascript_counts(lead: str) -> None:
    rationale = "😀 The brows are lowered 😀 and there is no smile. This is anger."
    text = lead + response(rationale, "anger")
    parts = unpack(assessed(run("R", [Prediction("rafdb", "a", "anger", text)])))
    meanings = json.loads(parts["meanings"])
    (packed,) = json.loads(parts["responses-0-0"])["rationales"]
    start, length, flat, argued, contradictions = packed
    assert _slice(text, start, start + length) == rationale
    assert [CANONICAL_LABELS[k] for k in argued] == ["anger"]
    assert contradictions == []
    found, at = [], start
    for k in range(0, len(flat), 3):
        at += flat[k]
        found.append((_slice(text, at, at + flat[k + 1]), meanings[flat[k + 2]]["present"]))
    assert found == [("brows are lowered", True), ("smile", False)]


LINE = "The brows are lowered. The brows are not lowered. "


@pytest.mark.parametrize(
    ("text", "rationale"),
    [
        (response(LINE * 2000, "anger"), True),
        (response(LINE, "anger") + "x" * 3_000_000, True),
        ("x" * 3_000_000 + response(LINE, "anger"), False),
        ("😀" * (HEAD + TAIL + 1), False),
        ("x" * (HEAD + TAIL), False),
        ("\n" * 1_000_000, False),
    ],
)
def test_the_middle_of_a_very_long_response_is_left_out(text: str, rationale: bool) -> None:
    parts = unpack(assessed(run("R", [Prediction("rafdb", "a", "anger", text)])))
    block = json.loads(parts["responses-0-0"])
    (shown,), (packed,) = block["texts"], block["rationales"]
    assert len(shown) <= HEAD + len(GAP) + TAIL
    left_out = max(0, len(text) - HEAD - TAIL)
    assert block["leftOut"] == ({"0": left_out} if left_out else {})
    if left_out:
        assert shown == text[:HEAD] + GAP + text[-TAIL:]
    assert (packed is not None) == rationale
    if packed is None:
        return
    start, length, flat, _, contradictions = packed
    assert start + length <= HEAD
    at, n_cues = start, len(flat) // 3
    for k in range(n_cues):
        at += flat[3 * k]
        assert shown[at : at + flat[3 * k + 1]] in {"brows are lowered", "brows are not lowered"}
    assert all(max(first, second) < n_cues for first, second, _ in contradictions)


def test_runs_that_disagree_about_the_truth_were_not_asked_the_same() -> None:
    one = Prediction("rafdb", "a", "anger", label="anger")
    other = Prediction("rafdb", "a", "fear", label="anger")
    assert len(all_questions(assessed(run("A", [one]), run("B", [other])))) == 2


def _slice(text: str, start: int, end: int) -> Any:
    units = text.encode("utf-16-le", "surrogatepass")
    return units[2 * start : 2 * end].decode("utf-16-le", "surrogatepass")
