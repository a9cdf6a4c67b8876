"""Pack the data of the sample browser: columns of bytes and blocks of text, gzip in base64.

Every question has a number, by which each run's columns are indexed. Columns are small and
hold all that filters need; responses, which are nearly all of a page, are in blocks of
`CHUNK` questions that are unpacked when they are first shown or searched.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from unifer_tasks.data.predictions import Prediction
from unifer_tasks.protocol.action_units import AU_NAMES
from unifer_tasks.protocol.answers.outcomes import request_failed
from unifer_tasks.protocol.labels import CANONICAL_LABELS, LABEL_SPACES, canonical
from unifer_tasks.protocol.variants.corruptions import condition_of, in_words
from unifer_tasks.protocol.variants.listed import Variant
from unifer_tasks.redaction.secrets import redact
from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.report.figures.measures import RationaleRecord
from unifer_tasks.report.page.pictures import Gallery, embedded
from unifer_tasks.scoring.summary import OUTCOMES, Reading

CHUNK = 256
"""Questions whose responses are unpacked together."""

HEAD, TAIL = 16_000, 4_000
"""Characters of a response that are shown of its beginning and its end, if it is longer than both.

A model that repeats itself writes megabytes, of which a page with many could not be opened.
"""
GAP = "\n⋯\n"
"""Replaces the rest."""

_OUTCOMES = OUTCOMES["strict"]
_DATASETS = tuple(LABEL_SPACES)
# As payload.js has them.
_ABSENT, _NONE = 254, 255
# 6, which is zlib's own, saves a fortieth of the bytes of real rationales for a third more time.
_COMPRESSION = 5
_BEYOND_16_BITS = re.compile("[\U00010000-\U0010ffff]")

Question = tuple[str, str, str]
"""Dataset, id and true label. Runs that disagree about the truth were not asked the same."""

Meanings = dict[tuple[tuple[int, ...], bool, str | None], int]
"""Units, presence and side of a cue -> the index of its description."""


@dataclass(frozen=True, slots=True)
class Block:
    """One packed part of the page: the id of its element, and gzip in base64."""

    id: str
    packed: str


def question_of(prediction: Prediction) -> Question:
    """Return what was asked."""
    return prediction.dataset, prediction.id, prediction.target


def all_questions(assessments: Sequence[Assessment]) -> list[Question]:
    """Return every question that any run holds, dataset by dataset, in the order of the runs."""
    seen = dict.fromkeys(
        question_of(prediction) for one in assessments for prediction in one.run.predictions
    )
    return sorted(seen, key=lambda question: _DATASETS.index(question[0]))


def blocks(
    assessments: Sequence[Assessment],
    questions: Sequence[Question],
    images: Mapping[str, Mapping[str, int]],
) -> Iterator[Block]:
    """Pack what the browser shows, a block at a time.

    Args:
        assessments: The runs.
        questions: Every question, in the order of its number.
        images: Dataset key -> id -> the row of the question's image, where there is one.
    """
    yield _block(
        "questions",
        {
            "dataset": [_DATASETS.index(dataset) for dataset, _, _ in questions],
            "id": [id_ for _, id_, _ in questions],
            "target": [CANONICAL_LABELS.index(canonical(target)) for _, _, target in questions],
            "image": [
                images.get(LABEL_SPACES[dataset].data_key, {}).get(id_, -1)
                for dataset, id_, _ in questions
            ],
        },
    )
    meanings: Meanings = {}
    for number, one in enumerate(tqdm(assessments, "samples", unit="run", disable=None)):
        yield from _run_blocks(number, one, questions, meanings)
    yield _block(
        "meanings",
        [{"meaning": _meaning(*meaning), "present": meaning[1]} for meaning in meanings],
    )


def image_blocks(pictures: Gallery, unreadable: list[str]) -> Iterator[Block]:
    """Pack images; "DATASET ID" of each that cannot be decoded is appended to a list."""
    for view in pictures.rows:
        for chunk, images in embedded(pictures, view, unreadable):
            yield _block(f"images-{view}-{chunk}", images)


def _run_blocks(
    number: int,
    one: Assessment,
    questions: Sequence[Question],
    meanings: Meanings,
) -> Iterator[Block]:
    found: Mapping[Question, tuple[Reading, RationaleRecord | None]] = {
        question_of(reading.prediction): (reading, record)
        for reading, record in zip(one.readings, one.records, strict=True)
    }
    columns = np.full((2, len(questions)), [[_ABSENT], [_NONE]], dtype=np.uint8)
    for place, question in enumerate(questions):
        if question in found:
            reading, _ = found[question]
            columns[0, place] = _OUTCOMES.index(reading.outcome)
            if reading.label is not None:
                columns[1, place] = CANONICAL_LABELS.index(canonical(reading.label))
    yield Block(f"readings-{number}", _pack(columns.tobytes()))
    for first in range(0, len(questions), CHUNK):
        rows = [found.get(question) for question in questions[first : first + CHUNK]]
        texts = [row and _text(row[0].prediction.response) for row in rows]
        yield _block(
            f"responses-{number}-{first // CHUNK}",
            {
                "texts": [_shortened(text) for text in texts],
                "leftOut": {
                    place: _left_out(text) for place, text in enumerate(texts) if _left_out(text)
                },
                "labels": {
                    place: _shortened(row[0].prediction.label)
                    for place, row in enumerate(rows)
                    if row and row[0].prediction.label is not None
                },
                "rationales": [row and _rationale(*row, meanings) for row in rows],
                "corrupted": {
                    place: _corruption(row[0].prediction, one.run.variant)
                    for place, row in enumerate(rows)
                    if row and one.run.variant.corrupts
                },
            },
        )


def _corruption(prediction: Prediction, variant: Variant) -> str:
    """Return in words what was done to a question's image."""
    condition = condition_of(prediction.dataset, prediction.id, variant.corrupts)
    return f"{in_words(condition.kind)}, strength {condition.strength}"


def _text(response: str | None) -> str | None:
    """Return a response as the page shows it: a server may quote a key in an error."""
    return redact(response) if response and request_failed(response) else response


def _left_out(text: str | None) -> int:
    """Return how many characters of a text are not shown."""
    return max(0, len(text or "") - HEAD - TAIL)


def _shortened(text: str | None) -> str | None:
    """Return a text without its middle, if it is very long."""
    return f"{text[:HEAD]}{GAP}{text[-TAIL:]}" if text and _left_out(text) else text


def _rationale(
    reading: Reading, record: RationaleRecord | None, meanings: Meanings
) -> list[Any] | None:
    """Return the content of a rationale in the format of payload.js.

    Returns:
        Where it begins in the response and how long it is; three numbers a cue (how far it
        begins after the cue before it, its length, its meaning); the labels that it concludes
        with; three entries a contradiction (two cues and the reason). Lengths are in UTF-16
        units, as JavaScript counts. None without a rationale.
    """
    response = reading.prediction.response
    if record is None or record.rationale is None or response is None:
        return None
    start = response.find(record.rationale)
    # Where a response is shortened, only what lies before the gap can be marked.
    shown = HEAD if _left_out(response) else len(response)
    if start > shown:
        return None
    at = _utf16(response)
    places: dict[int, int] = {}
    cues: list[int] = []
    before = at(start)
    number = -1
    # Without a `Cue` for each, of which a report of many runs has millions.
    for offset, sentence in record.argument.cue_sentences:
        offset += start
        for units, present, side, _, first, last in sentence.cues:
            number += 1
            if offset + last > shown:
                continue
            places[number] = len(places)
            meaning = meanings.setdefault((units, present, side), len(meanings))
            begin = at(offset + first)
            cues += (begin - before, at(offset + last) - begin, meaning)
            before = begin
    return [
        at(start),
        at(min(start + len(record.rationale), shown)) - at(start),
        cues,
        [CANONICAL_LABELS.index(label) for label in record.argued],
        [
            [places[each.first], places[each.second], each.reason]
            for each in record.contradictions
            if each.first in places and each.second in places
        ],
    ]


def _meaning(units: tuple[int, ...], present: bool, side: str | None) -> str:
    named = " + ".join(f"AU {unit} {AU_NAMES[unit]}" for unit in units) or "at rest"
    where = {None: "", "one": ", on one side", "both": ", on both sides"}.get(
        side, f", on the {side}"
    )
    return f"{'' if present else 'denied: '}{named}{where}"


def _utf16(text: str) -> Callable[[int], int]:
    """Return what turns a place in a text into the same place in UTF-16 units."""
    if text.isascii() or max(text) <= "\uffff":
        return lambda place: place
    doubled = array("Q", (match.start() for match in _BEYOND_16_BITS.finditer(text)))
    return lambda place: place + bisect_left(doubled, place)


def _block(id_: str, value: Any) -> Block:
    return Block(id_, _pack(json.dumps(value, separators=(",", ":")).encode()))


def _pack(data: bytes) -> str:
    return base64.b64encode(gzip.compress(data, _COMPRESSION, mtime=0)).decode()
