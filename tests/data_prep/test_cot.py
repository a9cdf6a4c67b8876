"""`unifer-data cot`: a teacher that fails, kills at any moment, and every answer just once."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from data_prep.answer_log import AnswerLog, LoggedAnswer
from data_prep.cli import main
from data_prep.training import read_training_manifest
from tests.conftest import run_command
from tests.data_prep import official
from tests.data_prep.reading import lines, rows, times
from tests.data_prep.teacher_server import RATIONALE, Teacher, serving
from unifer_tasks.labels import LABEL_SPACES
from unifer_tasks.manifest import sha256
from unifer_tasks.prompts import question, response

pytest.importorskip("openai")

N_QUESTIONS = 7 * 4


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
    return [*map(str, run), "--backoff", "0.01", "--timeout", "3", *options]


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
        assert main(command(rlvr, out, teacher, *options)) == 0
    assert len(set(teacher.requests)) >= 6
    assert teacher.requests["answered"] >= N_QUESTIONS
    assert len(answers(out)) == len(set(answers(out))) == N_QUESTIONS
    with serving(Teacher(slow_s=0.02)) as calm:
        assert main(command(rlvr, tmp_path / "calm", calm, "--concurrency", "3")) == 0
    assert 1 < calm.most_at_once <= 3
    assert calm.requests == {"answered": N_QUESTIONS}
    assert rows(out) == rows(tmp_path / "calm")
    assert answers(out) != answers(tmp_path / "calm")


def test_what_is_not_answered_is_named_and_asked_again(
    rlvr: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    with serving(Teacher(faults=0.4)) as teacher:
        assert main(command(rlvr, out, teacher, "--tries", "1", "--concurrency", "2")) == 3
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


def test_the_budget_ends_the_run_and_a_larger_one_goes_on(
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


def test_requests_a_minute_are_limited(
    rlvr: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = []
    sleep = asyncio.sleep

    async def wait(seconds: float) -> None:
        waits.append(seconds)
        await sleep(0)

    monkeypatch.setattr("data_prep.teacher.asyncio.sleep", wait)
    with serving(Teacher()) as teacher:
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
        assert main(command(rlvr, out, teacher, "--max-words", "30")) == 0
        assert rows(out) == []
        reasons = [entry["reason"] for entry in lines(out / "rejected.jsonl")]
        assert Counter(reasons)["too short or too long"] == 4
        assert main(command(rlvr, out, teacher)) == 0
        assert len(rows(out)) == 4
    assert teacher.requests["answered"] == N_QUESTIONS


def test_killed_at_random_moments_no_answer_is_lost_and_none_twice(
    rlvr: Path, tmp_path: Path, bin_folder: Path
) -> None:
    out = tmp_path / "out"
    chance = random.Random(2)
    with serving(Teacher(faults=0.2, slow_s=0.2)) as teacher:
        run = [
            str(bin_folder / "unifer-data"),
            *command(rlvr, out, teacher, "--concurrency", "3", "--tries", "20"),
        ]
        kept: list[tuple[str, str]] = []
        for _ in range(3):
            process = subprocess.Popen(run, start_new_session=True, stderr=subprocess.DEVNULL)
            wanted = len(kept) + chance.randint(1, 5)
            while process.poll() is None and len(known(out)) < wanted:
                time.sleep(0.005)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            assert known(out)[: len(kept)] == kept
            kept = known(out)
        run_command(run)
    assert answers(out)[: len(kept)] == kept
    assert len(answers(out)) == len(set(answers(out))) == N_QUESTIONS
    assert len(rows(out)) == 4


def known(out: Path) -> list[tuple[str, str]]:
    return answers(out) if (out / "answers.jsonl").exists() else []


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
    path.write_bytes(b"{}\n" + whole)
    with pytest.raises(Exception, match=r"answers\.jsonl, line 1 is no answer"):
        AnswerLog(path, "blind", "tutor")


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
