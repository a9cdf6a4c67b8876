"""`unifer-data cot`: a teacher that fails, kills at any moment, and every answer just once."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data_prep.cli.main import main
from data_prep.outputs.training_folder import (
    TrainingManifest,
    read_training_manifest,
    write_training_manifest,
)
from data_prep.training.answer_log import AnswerLog, LoggedAnswer
from tests.conftest import run_command
from tests.data_prep import official
from tests.data_prep.outputs.test_verify import write_rows
from tests.data_prep.reading import lines, rows, times
from tests.data_prep.teacher_server import RATIONALE, Teacher, completion, serving
from tests.machine import kill_when
from unifer_tasks.data.manifest import sha256
from unifer_tasks.harness.requests.replies import Ending
from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.protocol.prompts import question, response

pytest.importorskip("openai")

N_QUESTIONS = 7 * 4
# For a teacher that is late: on a busy machine, one that is not may miss it.
IMPATIENT = ("--timeout", "3")


@pytest.fixture(scope="module")
def rlvr(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """GRPO rows of 28 faces, some of them more than once."""
    root = tmp_path_factory.mktemp("rlvr")
    archive = official.write_sfew(root / "sfew", 4)
    run = [
        "rlvr",
        "--sfew",
        archive,
        "--out",
        root / "rows",
        "--no-leak-check",
        "--partial",
        "--jobs",
        "1",
    ]
    assert main([*map(str, run), "--rows", "40"]) == 0
    return root / "rows"


def command(rlvr: Path, out: Path, teacher: Teacher, *options: str) -> list[str]:
    run = ["cot", "--rows", rlvr, "--out", out, "--teacher", "tutor", "--base-url", teacher.url]
    return [*map(str, run), "--backoff", "0.01", *options]


def answers(out: Path) -> list[tuple[str, str]]:
    return [(row["dataset"], row["id"]) for row in lines(out / "answers.jsonl")]


def test_rows_are_what_verls_sft_trainer_reads(rlvr: Path, tmp_path: Path) -> None:
    with serving(Teacher(answer="sad")) as teacher:
        assert main(command(rlvr, tmp_path / "out", teacher)) == 0
    written = rows(tmp_path / "out")
    manifest = read_training_manifest(tmp_path / "out")
    # Blind: only the sad faces were answered right.
    assert len(written) == manifest.rows("train") == 4
    assert manifest.left_out["another label than the annotators'"] == 24
    for index, row in enumerate(written):
        user, assistant = row["messages"]
        labels = LABEL_SPACES["sfew"].labels
        assert user == {"role": "user", "content": "<image>" + question(labels)}
        assert assistant == {"role": "assistant", "content": response(RATIONALE, "sad")}
        assert Path(row["images"][0]["image"]).is_file()
        assert row["extra_info"]["index"] == index
        assert (row["extra_info"]["mode"], row["extra_info"]["teacher"]) == ("blind", "tutor")


def agree(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Answer with the label that a hinted question names."""
    asked = body["messages"][0]["content"][1]["text"]
    label = next(x for x in LABEL_SPACES["sfew"].labels if f" agree on {x}." in asked)
    return 200, completion(response(RATIONALE, label))


def test_what_the_rows_hold_out_is_held_out_and_not_balanced(tmp_path: Path) -> None:
    archive = official.write_sfew(tmp_path / "sfew", 4)
    grpo, out = tmp_path / "rlvr", tmp_path / "out"
    options = ("--no-leak-check", "--partial", "--valid", "0.3")
    assert main(["rlvr", "--sfew", str(archive), "--out", str(grpo), *options]) == 0
    of_rlvr = read_training_manifest(grpo)
    assert 0 < of_rlvr.rows("valid") < of_rlvr.rows("train")
    with serving(Teacher(replies=agree)) as teacher:
        for balance in ("none", "uniform"):
            hinted = ("--mode", "hinted", "--balance-classes", balance)
            assert main(command(grpo, out, teacher, *hinted)) == 0
            assert read_training_manifest(out).counts_out["valid"] == of_rlvr.counts_out["valid"]
    assert teacher.requests["answered"] == N_QUESTIONS
    assert main(["verify", str(out)]) == 0


@pytest.mark.parametrize(
    "option", [("--valid", "0.1"), ("--ferbench", "data"), ("--no-leak-check",), ("--keep-leaks",)]
)
def test_an_option_that_rows_for_a_teacher_do_not_have_is_refused(
    rlvr: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: tuple[str, ...]
) -> None:
    assert main(command(rlvr, tmp_path / "out", Teacher(), *option)) == 1
    assert f"{option[0]} is for --from" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_hinted_teacher_knows_the_label_and_the_blind_one_does_not(
    rlvr: Path, tmp_path: Path
) -> None:
    labels = LABEL_SPACES["sfew"].labels
    for mode in ("blind", "hinted"):
        with serving(Teacher()) as teacher:
            assert main(command(rlvr, tmp_path / mode, teacher, "--mode", mode)) == 0
        hints = [text.removeprefix(question(labels)) for text in teacher.prompts]
        told = Counter(label for hint in hints for label in labels if f" agree on {label}." in hint)
        assert told == ({} if mode == "blind" else dict.fromkeys(labels, 4))
        assert (set(hints) == {""}) == (mode == "blind")
        assert {row["extra_info"]["mode"] for row in rows(tmp_path / mode)} == {mode}


def test_every_fault_is_tried_again_and_no_row_is_lost_or_doubled(
    rlvr: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with serving(Teacher(faults=0.5, slow_s=0.05)) as teacher:
        options = ["--tries", "20", "--concurrency", "6"]
        assert main(command(rlvr, out, teacher, *options, *IMPATIENT)) == 0
    assert len(set(teacher.requests)) >= 6
    assert teacher.requests["answered"] >= N_QUESTIONS
    assert len(answers(out)) == len(set(answers(out))) == N_QUESTIONS
    with serving(Teacher(slow_s=0.02)) as calm:
        assert main(command(rlvr, tmp_path / "calm", calm, "--concurrency", "3")) == 0
    assert 1 < calm.most_at_once <= 3
    assert calm.requests == {"answered": N_QUESTIONS}
    assert rows(out) == rows(tmp_path / "calm")
    assert answers(out) != answers(tmp_path / "calm")


def test_an_unanswered_question_is_reported_and_asked_again(
    rlvr: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    with serving(Teacher(faults=0.4)) as teacher:
        options = ("--tries", "1", "--concurrency", "2")
        assert main(command(rlvr, out, teacher, *options, *IMPATIENT)) == 3
    said = capsys.readouterr().err
    n_failed = said.count("no answer: sfew /SFEW-2.0/")
    assert 0 < n_failed == N_QUESTIONS - len(answers(out))
    assert f"{n_failed} questions have no answer yet" in said
    with serving(Teacher()) as teacher:
        assert main(command(rlvr, out, teacher)) == 0
    assert teacher.requests == {"answered": n_failed}
    assert len(set(answers(out))) == N_QUESTIONS
    assert read_training_manifest(out).unusable == 0


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "the teacher cannot be asked"),
        (404, "the teacher cannot be asked"),
        (400, "20 questions in a row got no answer"),
        (503, "20 questions in a row got no answer"),
    ],
)
def test_an_endpoint_that_never_answers_ends_the_run(
    rlvr: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], status: int, message: str
) -> None:
    with serving(Teacher(status=status)) as teacher:
        assert main(command(rlvr, tmp_path / "out", teacher, "--tries", "2")) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out/manifest.json").exists()
    assert sum(teacher.requests.values()) <= 2 * N_QUESTIONS


def test_the_budget_ends_the_run_and_a_larger_one_resumes(
    rlvr: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    prices = ["--price-in", "10000", "--price-out", "20000", "--concurrency", "2"]
    with serving(Teacher()) as teacher:
        # An answer costs 100 x 0.01 + 50 x 0.02 = 2.
        assert main(command(rlvr, out, teacher, *prices, "--budget", "11")) == 3
        assert 6 <= teacher.requests["answered"] <= 7
        assert "the budget is spent" in capsys.readouterr().err
        assert main(command(rlvr, out, teacher, *prices, "--budget", "100")) == 0
    assert teacher.requests["answered"] == N_QUESTIONS
    assert "56.00 spent" in capsys.readouterr().out


def test_replies_that_are_billed_and_empty_count_against_the_budget(
    rlvr: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    options = ["--price-in", "10000", "--price-out", "20000", "--concurrency", "1", "--tries", "3"]
    with serving(Teacher(replies=lambda body: (200, completion("")))) as teacher:
        for _ in range(2):
            assert main(command(rlvr, out, teacher, *options, "--budget", "11")) == 3
            assert "12.00 spent" in capsys.readouterr().out
    assert teacher.requests.total() == 6
    with serving(Teacher()) as teacher:
        assert main(command(rlvr, out, teacher, *options, "--budget", "100")) == 0
    assert "68.00 spent" in capsys.readouterr().out
    assert len(answers(out)) == N_QUESTIONS


@pytest.mark.parametrize(
    ("options", "usage", "message"),
    [
        ([], {}, "--budget needs the prices of tokens"),
        (["--price-in", "1"], None, "does not report the tokens of its answers"),
    ],
)
def test_a_budget_that_cannot_be_kept_is_refused(
    rlvr: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    usage: dict[str, int] | None,
    message: str,
) -> None:
    reply = {**completion(response(RATIONALE, "sad")), "usage": usage}
    with serving(Teacher(replies=lambda body: (200, reply))) as teacher:
        run = command(rlvr, tmp_path / "out", teacher, "--budget", "5", *options)
        assert main([*run, "--concurrency", "1"]) == 1
    assert message in capsys.readouterr().err
    assert teacher.requests.total() == len(options) // 2


MODERATIONS: list[tuple[int, dict[str, Any]]] = [
    (403, {"error": {"message": "Access denied.", "code": "content_filter"}}),
    (400, {"error": {"message": "The prompt was filtered.", "code": "content_filter"}}),
    (
        403,
        {
            "error": {
                "code": 403,
                "message": 'This model requires moderation. Your input was flagged for "minors"',
            }
        },
    ),
    (400, {"error": {"code": "data_inspection_failed", "message": "Input data may be unsafe."}}),
    (400, {"error": {"message": "Your request was rejected as a result of our safety system."}}),
    (200, {"error": {"code": "content_filter", "message": "filtered"}}),
    (200, completion(None, "content_filter")),
    (200, completion(None, refusal="I cannot help with faces.")),
]


@pytest.mark.parametrize("moderation", MODERATIONS)
def test_a_moderated_image_is_counted_listed_and_never_asked_about_again(
    rlvr: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    moderation: tuple[int, dict[str, Any]],
) -> None:
    out = tmp_path / "out"
    asked: list[str] = []

    def replies(body: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
        """Refuse the first 24 questions: more in a row than a failing endpoint may."""
        asked.append("")
        return moderation if len(asked) <= 24 else None

    with serving(Teacher(replies=replies, text=response(RATIONALE, "surprise"))) as teacher:
        run = command(rlvr, out, teacher, "--concurrency", "1")
        assert main(run) == 0
        assert main(run) == 0
    assert teacher.requests.total() == N_QUESTIONS
    assert "24 left out: refused by the teacher or its filter" in capsys.readouterr().out
    rejected = [entry["reason"] for entry in lines(out / "rejected.jsonl")]
    assert rejected.count("refused by the teacher or its filter") == 24
    manifest = read_training_manifest(out)
    assert (manifest.unusable, manifest.rows("train")) == (0, 4)


def test_a_refusal_without_moderation_does_not_end_the_run_and_is_asked_again(
    rlvr: Path, tmp_path: Path
) -> None:
    """A server that bars one image, and does not say why."""
    refused = iter([(403, {"error": {"message": "Forbidden"}})])
    out = tmp_path / "out"
    with serving(Teacher(replies=lambda body: next(refused, None))) as teacher:
        run = command(rlvr, out, teacher, "--concurrency", "1")
        assert main(run) == 3
        assert main(run) == 0
    assert teacher.requests.total() == N_QUESTIONS + 1


def test_an_answer_that_was_cut_off_is_asked_again_with_more_tokens(
    rlvr: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"

    def replies(body: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
        if body["max_tokens"] >= 200:
            return None
        text = f"<think>{RATIONALE}" if body["max_tokens"] > 60 else None
        return 200, completion(text, "length")

    with serving(Teacher(replies=replies)) as teacher:
        for limit, status, requests in (("60", 1, 28), ("100", 1, 56), ("100", 1, 56)):
            assert main(command(rlvr, out, teacher, "--max-tokens", limit)) == status
            assert teacher.requests.total() == requests
            assert "28 left out: cut off by --max-tokens" in capsys.readouterr().out
        for limit in ("200", "100", "400"):
            assert main(command(rlvr, out, teacher, "--max-tokens", limit)) == 0
    assert teacher.requests.total() == 84
    assert len(rows(out)) == 4


def test_a_limit_that_the_server_does_not_name_is_seen_by_the_tokens(
    rlvr: Path, tmp_path: Path
) -> None:
    with serving(Teacher(text=f"<think>{RATIONALE}")) as teacher:
        # The server says that an answer took 50.
        assert main(command(rlvr, tmp_path / "out", teacher, "--max-tokens", "50")) == 1
    assert {row["max_tokens"] for row in lines(tmp_path / "out/answers.jsonl")} == {50}


UNSUPPORTED = [
    (
        "max_tokens",
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
        "'max_completion_tokens' instead.",
    ),
    (
        "temperature",
        "Unsupported value: 'temperature' does not support 0.7 with this model. Only the default "
        "(1) value is supported.",
    ),
    ("temperature", "invalid temperature: only 1 is allowed for this model"),
    ("temperature", "`temperature` is deprecated for this model."),
]


@pytest.mark.parametrize("concurrency", ["1", "8"])
@pytest.mark.parametrize("refused", [UNSUPPORTED[:2], UNSUPPORTED[2:3], UNSUPPORTED[3:]])
def test_a_model_that_takes_other_parameters_teaches(
    rlvr: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    refused: list[tuple[str, str]],
    concurrency: str,
) -> None:
    bodies: list[dict[str, Any]] = []

    def replies(body: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
        bodies.append(body)
        for parameter, message in refused:
            if parameter in body:
                return 400, {"error": {"message": message, "param": parameter}}
        return None

    with serving(Teacher(replies=replies)) as teacher:
        options = ("--concurrency", concurrency, "--tries", "1")
        run = command(rlvr, tmp_path / "out", teacher, *options)
        assert main([*run, "--max-tokens", "300"]) == 0
    # Decided once: what was under way already is all that is asked in vain.
    assert len(bodies) <= N_QUESTIONS + len(refused) * int(concurrency)
    said = capsys.readouterr().err
    for parameter, _ in refused:
        assert said.count(f"tutor takes no {parameter}") == 1
        assert parameter not in bodies[-1]
    limit = "max_completion_tokens" if len(refused) == 2 else "max_tokens"
    assert bodies[-1][limit] == 300


def test_a_limit_that_is_too_large_is_no_reason_to_ask_otherwise(
    rlvr: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = (
        "'max_tokens' or 'max_completion_tokens' is too large: 5000. This model's maximum context "
        "length is 4096 tokens and your request has 300 input tokens."
    )
    reply = (400, {"error": {"message": message, "param": "max_tokens"}})
    with serving(Teacher(replies=lambda body: reply)) as teacher:
        assert main(command(rlvr, tmp_path / "out", teacher, "--concurrency", "1")) == 1
    assert "is too large" in capsys.readouterr().err
    assert teacher.requests.total() == 20


ANSWER = "<answer>sad</answer>"
SPLIT: dict[str, dict[str, Any]] = {
    "reasoning_content": completion(ANSWER, reasoning_content=RATIONALE),
    "reasoning": completion("\n\n" + ANSWER, reasoning=f"<think>\n{RATIONALE}\n</think>"),
    "template-opened": completion(f"{RATIONALE}\n</think>\n\n{ANSWER}"),
    "tag-on-the-other-side": completion(f"</think>{ANSWER}", reasoning_content=RATIONALE),
    "all-is-thinking": completion(None, reasoning_content=f"{RATIONALE}</think>{ANSWER}"),
    "no-end-of-thinking": completion(None, reasoning_content=f"{RATIONALE}\n{ANSWER}"),
    "parts": completion(
        [
            {"type": "thinking", "thinking": [{"type": "text", "text": RATIONALE}]},
            {"type": "text", "text": ANSWER},
        ],
    ),
}


@pytest.mark.parametrize("reply", SPLIT.values(), ids=SPLIT)
def test_what_the_server_split_is_joined(rlvr: Path, tmp_path: Path, reply: dict[str, Any]) -> None:
    with serving(Teacher(replies=lambda body: (200, reply))) as teacher:
        assert main(command(rlvr, tmp_path / "out", teacher)) == 0
    written = [row["messages"][1]["content"] for row in rows(tmp_path / "out")]
    assert len(written) == 4
    for text in written:
        assert text.startswith("<think>")
        assert text.count(RATIONALE) == text.count(ANSWER) == 1
        assert text.endswith(ANSWER)


def test_a_run_without_rows_fails_and_says_why(
    rlvr: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(Teacher(text="It is sad.")) as teacher:
        assert main(command(rlvr, tmp_path / "out", teacher)) == 1
    assert "no row to train on; 28 entries were left out: not one think block" in (
        capsys.readouterr().err
    )
    assert len(answers(tmp_path / "out")) == N_QUESTIONS


def test_requests_a_minute_are_limited(
    rlvr: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = []
    sleep = asyncio.sleep

    async def wait(seconds: float) -> None:
        waits.append(seconds)
        await sleep(0)

    monkeypatch.setattr("data_prep.training.teacher.asyncio.sleep", wait)
    with serving(Teacher(answer="angry")) as teacher:
        options = ["--per-minute", "1", "--limit", "12"]
        assert main(command(rlvr, tmp_path / "out", teacher, *options)) == 0
    assert teacher.requests == {"answered": 12}
    # The twelfth request may start eleven minutes after the first.
    assert 600 < max(waits) <= 660


def test_another_teachers_answers_are_not_mixed_in(
    rlvr: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(Teacher()) as teacher:
        assert main(command(rlvr, tmp_path / "out", teacher)) == 0
        assert main(command(rlvr, tmp_path / "out", teacher, "--mode", "hinted")) == 1
    assert "holds answers of tutor (blind), not of tutor (hinted)" in capsys.readouterr().err


def test_a_finished_folder_is_left_alone(rlvr: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with serving(Teacher()) as teacher:
        assert main(command(rlvr, out, teacher)) == 0
        before = times(out)
        assert main(command(rlvr, out, teacher)) == 0
        assert times(out) == before
    assert teacher.requests["answered"] == N_QUESTIONS


def test_a_folder_that_was_rebased_is_left_alone(rlvr: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with serving(Teacher()) as teacher:
        assert main(command(rlvr, out, teacher)) == 0
        assert main(["rebase", str(out), "--root", "/node"]) == 0
        before = times(out)
        assert main(command(rlvr, out, teacher)) == 0
        assert times(out) == before
    assert teacher.requests["answered"] == N_QUESTIONS


def test_filters_can_be_changed_without_asking_again(rlvr: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with serving(Teacher()) as teacher:
        assert main(command(rlvr, out, teacher, "--max-words", "30")) == 1
        assert rows(out) == []
        reasons = [entry["reason"] for entry in lines(out / "rejected.jsonl")]
        assert Counter(reasons)["too short or too long"] == 4
        assert main(command(rlvr, out, teacher)) == 0
        assert len(rows(out)) == 4
    assert teacher.requests["answered"] == N_QUESTIONS


@pytest.mark.parametrize(
    ("balance", "of_the_rare"), [("none", {1}), ("sqrt", {1, 2}), ("uniform", {2, 3})]
)
def test_answers_that_pass_are_balanced_by_class_without_asking_again(
    rlvr: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    balance: str,
    of_the_rare: set[int],
) -> None:
    out = tmp_path / "out"
    options = ("--mode", "hinted", "--limit", "5")

    with serving(Teacher(replies=agree)) as teacher:
        assert main(command(rlvr, out, teacher, *options)) == 0
        before = Counter(row["extra_info"]["label"] for row in rows(out))
        (rare,) = (label for label, n in before.items() if n == 1)
        assert main(command(rlvr, out, teacher, *options, "--balance-classes", balance)) == 0
        after = rows(out)
        assert main(command(rlvr, out, teacher, *options, "--balance-classes", balance)) == 0
    assert teacher.requests["answered"] == 5
    assert rows(out) == after
    assert sum(row["extra_info"]["label"] == rare for row in after) in of_the_rare
    assert [row["extra_info"]["index"] for row in after] == list(range(len(after)))
    repeats = read_training_manifest(out).repeats["train"]["sfew"][rare]
    assert (repeats.available, repeats.distinct) == (1, 1)
    assert f"rows of 1 questions: {rare}" in capsys.readouterr().out


def test_a_class_that_few_answers_keep_is_named(
    rlvr: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(Teacher(answer="sad")) as teacher:
        assert main(command(rlvr, tmp_path / "out", teacher)) == 0
    said = capsys.readouterr()
    assert "4 rows of 4 questions: sadness" in said.out
    assert "0 rows of 4 questions: fear" in said.out
    assert "under 1% of the rows show anger, disgust, fear" in said.err
    assert "--balance-classes sqrt" in said.err


def test_killed_at_random_moments_no_answer_is_lost_and_none_twice(
    rlvr: Path, tmp_path: Path, bin_folder: Path
) -> None:
    out = tmp_path / "out"
    chance = random.Random(2)
    with serving(Teacher(faults=0.2, slow_s=0.2)) as teacher:
        run = [
            str(bin_folder / "unifer-data"),
            *command(rlvr, out, teacher, "--concurrency", "3", "--tries", "20", *IMPATIENT),
        ]
        kept: list[tuple[str, str]] = []
        for _ in range(3):

            def is_enough(wanted: int = len(kept) + chance.randint(1, 5)) -> bool:
                return len(known(out)) >= wanted

            kill_when(is_enough, run)
            assert known(out)[: len(kept)] == kept
            kept = known(out)
        run_command(run)
    assert answers(out)[: len(kept)] == kept
    assert len(answers(out)) == len(set(answers(out))) == N_QUESTIONS
    assert len(rows(out)) == 4


def known(out: Path) -> list[tuple[str, str]]:
    """Return what was answered as yet; a line may be half written."""
    path = out / "answers.jsonl"
    whole, _, _ = (path.read_bytes() if path.exists() else b"").rpartition(b"\n")
    return [(row["dataset"], row["id"]) for row in map(json.loads, whole.splitlines())]


@pytest.mark.parametrize(
    ("named", "message"),
    [
        (("joy", "a", "a.png"), "'joy' is not a label of 'sfew'); build it again"),
        (("sad", "a", "a\0.png"), "cannot be read (embedded null byte)"),
        (("sad", "a", "none.png"), "cannot be read ("),
        (("sad", "a", "cut.png"), "cannot be read ("),
    ],
)
def test_unusable_rows_are_reported_in_one_sentence(
    named: tuple[str, str, str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_rows(tmp_path / "rows", "rlvr", {"train": [named]})
    (tmp_path / "rows/images").mkdir()
    (tmp_path / "rows/images/cut.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0")
    run = ["cot", "--rows", tmp_path / "rows", "--out", tmp_path / "out", "--teacher", "tutor"]
    assert main([*map(str, run), "--base-url", "http://127.0.0.1:9/v1"]) == 1
    (said,) = capsys.readouterr().err.splitlines()
    assert message in said


def gone(path: Path) -> None:
    path.unlink()


def as_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("rows/train-00000.parquet", gone, "no such file or folder"),
        ("rows/train-00000.parquet", as_pipe, "is a pipe or a device, not a regular file"),
        ("rows/train-00000.parquet", as_folder, "is a directory, not a file"),
        ("out/answers.jsonl", as_pipe, "it is a pipe; name a regular file"),
        ("out/answers.jsonl", as_folder, "it is a folder; name a file"),
        ("out/empty.jsonl", as_pipe, "it is a pipe; name a regular file"),
    ],
)
def test_what_is_not_a_file_is_named_and_not_waited_for(
    name: str,
    change: Callable[[Path], None],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_rows(tmp_path / "rows", "rlvr", {"train": [("sad", "a", "a.png")]})
    official.put(tmp_path / "rows/images/a.png", official.face("sad", 1, (48, 48), "PNG"))
    for log in ("answers.jsonl", "empty.jsonl"):
        official.put(tmp_path / "out" / log, b"")
    change(tmp_path / name)
    run = ["cot", "--rows", tmp_path / "rows", "--out", tmp_path / "out", "--teacher", "tutor"]
    assert main([*map(str, run), "--base-url", "http://127.0.0.1:9/v1"]) == 1
    (said,) = capsys.readouterr().err.splitlines()
    assert str(tmp_path / name) in said
    assert message in said


def test_manifests_without_training_rows_are_read(tmp_path: Path) -> None:
    """Rows without a part `train`, and a finished folder that counts none, are no traceback."""
    out = tmp_path / "rows"
    out.mkdir()
    manifest = TrainingManifest("rlvr", {}, {}, {"sfew": "/a"}, {}, {}, {}, 0, {})
    write_training_manifest(out, manifest)
    run = ["cot", "--rows", out, "--out", tmp_path / "cot", "--teacher", "tutor"]
    assert main([*map(str, run), "--base-url", "http://127.0.0.1:9/v1"]) == 1
    assert (tmp_path / "cot/manifest.json").exists()


def test_half_a_line_is_cut_off_and_a_broken_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    first = LoggedAnswer("sfew", "a", "blind", "tutor", "text", 1, 2)
    with AnswerLog(path, "blind", "tutor") as log:
        log.append(first)
        log.append(first)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:30])
    with AnswerLog(path, "blind", "tutor") as log:
        assert (len(log), log.tokens_in, log.tokens_out) == (1, 1, 2)
        assert log.get(("sfew", "a")) == first
        assert log.get(("sfew", "b")) is None
    assert path.read_bytes() == whole
    line = whole.strip()
    for broken in (
        b"{}",
        b"null",
        b"[" * 100_000,
        line.replace(b"1", b'"1"'),
        line.replace(b"1", b"1" * 400),
        line.replace(b"1", b"-1"),
        line.replace(b"1", b"true"),
        line.replace(b'"text"', b'"\\ud800"'),
        line.replace(b'"answered"', b'"sung"'),
        line.replace(b'"answered"', b"[]"),
        line.replace(b'"mode"', b'"mood"'),
    ):
        assert broken != line
        path.write_bytes(broken + b"\n" + whole)
        with pytest.raises(Exception, match=r"answers\.jsonl, line 1 is not a logged answer"):
            AnswerLog(path, "blind", "tutor")


def test_an_answer_takes_the_place_of_one_that_was_cut_off_and_of_no_other(
    tmp_path: Path,
) -> None:
    def reply(text: str, ending: Ending, max_tokens: int | None = None) -> LoggedAnswer:
        return LoggedAnswer("sfew", "a", "blind", "tutor", text, 1, 2, ending, max_tokens)

    replies = [
        reply("", Ending.EMPTY),
        reply("half", Ending.CUT_OFF, 10),
        reply("more", Ending.CUT_OFF, 20),
        reply("whole", Ending.ANSWERED),
        reply("another", Ending.ANSWERED),
    ]
    # Limit that a run asks with -> whether it asks, after each reply.
    asks = {10: [True, False, False, False, False], 30: [True, True, True, False, False]}
    texts = [None, "half", "more", "whole", "whole"]
    for n in range(len(replies)):
        path = tmp_path / str(n) / "answers.jsonl"
        path.parent.mkdir()
        with AnswerLog(path, "blind", "tutor") as log:
            for one in replies[: n + 1]:
                log.append(one)
        with AnswerLog(path, "blind", "tutor") as again:
            for found in (log, again):
                kept = again.get(("sfew", "a"))
                assert (kept and kept.response) == texts[n]
                assert found.tokens_out == 2 * min(n + 1, 4)
                for limit, expected in asks.items():
                    assert found.needs_asking(("sfew", "a"), limit) == expected[n]


def test_images_that_moved_are_reported_once_with_the_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = official.write_sfew(tmp_path / "sfew", 1)
    out = tmp_path / "rows"
    run = ["rlvr", "--sfew", archive, "--out", out, "--no-leak-check", "--partial", "--jobs", "1"]
    assert main(list(map(str, run))) == 0
    shutil.move(archive, tmp_path / "moved")
    with serving(Teacher()) as teacher:
        assert main(command(out, tmp_path / "out", teacher)) == 1
    assert capsys.readouterr().err.count("unifer-data rebase") == 1


def test_the_papers_file_is_converted(tmp_path: Path) -> None:
    archive = official.write_rafdb(tmp_path / "rafdb", 1)
    root = tmp_path / "root/RAF-DB/aligned"
    shutil.copytree(archive / "basic/Image/aligned", root)
    labels = LABEL_SPACES["rafdb"].labels
    objects = [
        {
            "image_path": f"/RAF-DB/aligned/train_0000{n}_aligned.jpg",
            "question": question(labels),
            "response": response(RATIONALE, label),
        }
        for n, label in enumerate(labels, start=1)
    ]
    (tmp_path / "UniFER_CoT_230K.json").write_text(json.dumps(objects))
    out = tmp_path / "out"
    run = ["cot", "--from", tmp_path / "UniFER_CoT_230K.json", "--images", tmp_path / "root"]
    run += ["--out", out, "--no-leak-check", "--jobs", "1"]
    assert main(list(map(str, run))) == 0
    written = rows(out)
    assert [row["messages"][1]["content"] for row in written] == [o["response"] for o in objects]
    assert [row["extra_info"]["label"] for row in written] == list(labels)
    assert {row["extra_info"]["mode"] for row in written} == {"published"}
    manifest = read_training_manifest(out)
    assert manifest.kind == "cot"
    assert sha256(out / "train-00000.parquet") == manifest.shards["train"][0].sha256
