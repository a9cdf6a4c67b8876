"""RLVR rows + a teacher's answers -> UniFER-CoT: cold-start rows for verl's SFT trainer."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from itertools import compress, groupby, islice
from pathlib import Path
from typing import Any

from data_prep.images.fingerprints import Examined
from data_prep.outputs.row_checks import read_rows
from data_prep.outputs.training_folder import (
    Image,
    Shard,
    TrainingManifest,
    counts_of,
    read_training_manifest,
    repeats_of,
    write_shards,
    write_training_manifest,
)
from data_prep.support.errors import PreparationError, reading_parquet
from data_prep.training.answer_log import AnswerLog, LoggedAnswer
from data_prep.training.balance import Balance, expected_copies, repeated
from data_prep.training.compose import TRAIN, VALID
from data_prep.training.rationales import Limits, Mode, Reject, reject
from data_prep.training.rows import SFT_SCHEMA, sft_form
from data_prep.training.teacher import Request
from unifer_tasks.data.manifest import MANIFEST_NAME
from unifer_tasks.harness.requests.replies import Ending
from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.support.files import atomic_write_lines

# Decides which rows are repeated; fixed, so that equal answers give equal rows.
_SEED = 0

ANSWERS_NAME = "answers.jsonl"
REJECTED_NAME = "rejected.jsonl"

UNANSWERED = "not answered yet"
REFUSED = "refused by the teacher or its filter"
CUT_OFF = "cut off by --max-tokens; a larger one asks again"


@dataclass(frozen=True, slots=True)
class Task:
    """A teacher and the questions to ask it.

    Attributes:
        rows: A folder of GRPO rows, whose images are already checked. What it holds out for
            validation is held out here too.
        mode: What the teacher is told.
        teacher: The model.
        limit: How many questions to ask, starting with the first; None for all.
        limits: The limits of a rationale.
        classes: Balance of the labels within a dataset, among accepted answers.
    """

    rows: Path
    mode: Mode
    teacher: str
    limit: int | None = None
    limits: Limits = field(default_factory=Limits)
    classes: Balance = Balance.NONE

    def questions(self) -> Iterator[Request]:
        """Yield each question once, in the order of the rows, which may repeat it."""
        distinct = (next(copies) for _, copies in groupby(self._rows(), lambda asked: asked.key))
        return islice(distinct, self.limit)

    @property
    def n_rows(self) -> int:
        """An upper bound of the number of questions, since rows may be repeated."""
        manifest = read_training_manifest(self.rows)
        rows = manifest.rows(TRAIN) + manifest.rows(VALID)
        return rows if self.limit is None else min(rows, self.limit)

    def _rows(self) -> Iterator[Request]:
        manifest = read_training_manifest(self.rows)
        if manifest.kind != "rlvr":
            raise PreparationError(
                f"{self.rows} holds {manifest.kind} rows; give a folder of rlvr rows"
            )
        for part, shard in _shards(manifest):
            path = self.rows / shard.path
            with reading_parquet(path, "GRPO rows"):
                for row in read_rows(path, manifest.kind):
                    space = LABEL_SPACES.get(row.dataset)
                    if space is None or row.label not in space.labels:
                        raise ValueError(f"{row.label!r} is not a label of {row.dataset!r}")
                    yield Request(row.dataset, row.id or "", row.label, row.images[0], part)


def _shards(manifest: TrainingManifest) -> Iterator[tuple[str, Shard]]:
    """Yield each shard and its part, those to train on first."""
    return ((part, shard) for part in (TRAIN, VALID) for shard in manifest.shards.get(part, ()))


def finish(out: Path, task: Task, log: AnswerLog) -> TrainingManifest:
    """Write the rows of the answers accepted so far, in the order of the questions.

    Answers may arrive in any order and over many runs: equal answers give equal bytes. Rejected
    answers are listed in `rejected.jsonl`, with the reason.
    """
    rows_manifest = read_training_manifest(task.rows)
    recipe = {
        "kind": "cot",
        "mode": task.mode,
        "teacher": task.teacher,
        "limit": task.limit,
        **asdict(task.limits),
        "classes": task.classes,
        "rows": [shard.sha256 for _, shard in _shards(rows_manifest)],
        "answers": log.digest,
    }
    if (out / MANIFEST_NAME).exists():
        finished = read_training_manifest(out)
        # Older folders do not record a balance.
        if {"classes": Balance.NONE, **finished.recipe} == recipe:
            return finished
    judged = _judge(out, task, log)
    rows_of_image: dict[str, Counter[Image]] = {TRAIN: Counter(), VALID: Counter()}
    shards = {
        part: write_shards(out, part, _rows(task, log, judged, part, rows), SFT_SCHEMA)
        for part, rows in rows_of_image.items()
    }
    left_out = judged.left_out
    manifest = TrainingManifest(
        kind="cot",
        recipe=recipe,
        versions={name: version(name) for name in ("unifer", "pyarrow")},
        roots=rows_manifest.roots,
        counts_in={dataset: dict(labels) for dataset, labels in judged.present.items()},
        counts_out={part: counts_of(rows) for part, rows in rows_of_image.items()},
        left_out={str(why): left_out[why] for why in (UNANSWERED, REFUSED, CUT_OFF, *Reject)},
        unusable=left_out[UNANSWERED],
        shards=shards,
        repeats={part: repeats_of(rows) for part, rows in rows_of_image.items()},
    )
    write_training_manifest(out, manifest)
    return manifest


@dataclass(slots=True)
class _Judged:
    """Which answers pass, in the order of the questions, and counts of the questions."""

    passes: list[bool]
    present: dict[str, Counter[str]]
    trained: dict[str, Counter[str]]
    left_out: Counter[str]


def _judge(out: Path, task: Task, log: AnswerLog) -> _Judged:
    """Judge every answer, and list those that are rejected."""
    judged = _Judged([], defaultdict(Counter), defaultdict(Counter), Counter())
    with atomic_write_lines(out / REJECTED_NAME) as write_rejected:
        for asked in task.questions():
            judged.present[asked.dataset][asked.label] += 1
            answer = log.get(asked.key)
            reason = UNANSWERED if answer is None else _reason(answer, asked, task)
            judged.passes.append(reason is None)
            if reason is None:
                if asked.part == TRAIN:
                    judged.trained[asked.dataset][asked.label] += 1
                continue
            judged.left_out[reason] += 1
            if answer is not None:
                write_rejected({**asdict(answer), "label": asked.label, "reason": reason})
    return judged


def _rows(
    task: Task, log: AnswerLog, judged: _Judged, part: str, rows_of_image: Counter[Image]
) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of a part whose answers pass and count those of each image."""
    counts = judged.trained if part == TRAIN else {}
    expected = expected_copies(counts, task.classes, Balance.NONE)
    form = sft_form(task.mode, task.teacher)
    passing = compress(task.questions(), judged.passes)
    samples = (
        (Image(asked.dataset, asked.label, asked.id), asked)
        for asked in passing
        if asked.part == part
    )
    for index, asked in enumerate(repeated(samples, expected, _SEED, rows_of_image)):
        answer = log.get(asked.key)
        assert answer is not None
        response = answer.response.strip()
        found = Examined(
            asked.dataset, part, asked.id, asked.file, asked.label, None, response=response
        )
        yield form.row(found, part, index, None)


def _reason(answer: LoggedAnswer, asked: Request, task: Task) -> str | None:
    if answer.ending is Ending.REFUSED:
        return REFUSED
    if answer.max_tokens is not None:
        return CUT_OFF
    return reject(answer.response, asked.dataset, asked.label, task.mode, task.limits)
