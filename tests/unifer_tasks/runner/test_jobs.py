"""Which process starts when and where, with processes that only take note of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from unifer_tasks.harness import selection
from unifer_tasks.harness.evaluator import MODELS
from unifer_tasks.harness.requests.progress import read_progress
from unifer_tasks.runner import jobs
from unifer_tasks.runner.jobs import Job, check, run_jobs
from unifer_tasks.runner.presets import Card, Preset, PresetError
from unifer_tasks.support.records import FileError

# Stands for the worker: notes when it ran and what it saw, prints, and fails if it is told to.
WORKER = """
import json, os, sys, time
from pathlib import Path
folder = Path(sys.argv[sys.argv.index("--use_cache") + 1])
start = time.monotonic()
(folder / "results").mkdir(exist_ok=True)
(folder / "results" / "1_results.json").write_text("{}")
(folder / "partial").write_text(json.dumps({"total": 4, "answered": 4, "reused": 1}))
(folder / "partial").rename(folder / "progress.json")
print("loading 1 %\\r\\x1b[32mloading 100 %\\x1b[0m", flush=True)
print("token", os.environ.get("HF_TOKEN"))
time.sleep(0.5)
note = {"gpus": os.environ.get("CUDA_VISIBLE_DEVICES"), "start": start, "end": time.monotonic()}
(folder / "note.json").write_text(json.dumps(note))
sys.exit("broken" in folder.name)
"""
# Runs until both have started, but not for ever.
TOGETHER = """
for _ in range(6000):
    if all((folder.parent / name / "progress.json").exists() for name in ("one", "two")):
        break
    time.sleep(0.01)
"""


Note = dict[str, Any]


@pytest.fixture(autouse=True)
def _a_worker_that_takes_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_WORKER", (sys.executable, "-c", WORKER))
    monkeypatch.setattr(jobs, "_POLL_SECONDS", 0.05)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def job(folder: Path, name: str, gpus: int = 1, key: str | None = None) -> Job:
    arguments = f"model=a/b,tensor_parallel_size={gpus}"
    settings = {"model": "vllm", "model_args": arguments, "tasks": "ferbench"}
    preset = Preset(name, settings, Card(name, key=key))
    return Job(preset, preset.settings, folder / name, "data")


def notes(all_jobs: Sequence[Job]) -> list[Note]:
    return [json.loads((job.folder / "note.json").read_text()) for job in all_jobs]


def overlap(first: Note, second: Note) -> bool:
    return bool(first["start"] < second["end"] and second["start"] < first["end"])


def test_without_gpus_one_runs_after_the_other(tmp_path: Path) -> None:
    three = [job(tmp_path, name) for name in ("a", "broken", "c")]
    ended = list(run_jobs(three))
    assert [end.job.preset.name for end in ended] == ["a", "broken", "c"]
    assert [end.status for end in ended] == [0, 1, 0]
    first, second, third = notes(three)
    assert not overlap(first, second)
    assert not overlap(second, third)
    assert [note["gpus"] for note in (first, second, third)] == [None] * 3
    assert ended[0].progress is not None
    assert ended[0].progress.reused == 1


def test_gpus_are_shared_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits = WORKER.replace("time.sleep(0.5)", TOGETHER)
    monkeypatch.setattr(jobs, "_WORKER", (sys.executable, "-c", waits))
    four = [
        job(tmp_path, "two", 2),
        job(tmp_path, "all", 3),
        job(tmp_path, "one", 1),
        job(tmp_path, "api", key="SOME_KEY"),
    ]
    ended = list(run_jobs(four, ["0", "1", "5"]))
    assert ended[-1].job.preset.name == "all"
    two, everything, one, api = notes(four)
    assert (two["gpus"], one["gpus"], api["gpus"]) == ("0,1", "5", None)
    assert sorted(str(everything["gpus"]).split(",")) == ["0", "1", "5"]
    assert overlap(two, one)
    assert not overlap(everything, two)
    assert not overlap(everything, one)


def test_a_process_that_a_signal_ended_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = f"import os, signal; os.kill(os.getpid(), signal.SIGKILL)\n{WORKER}"
    monkeypatch.setattr(jobs, "_WORKER", (sys.executable, "-c", killed))
    (ended,) = run_jobs([job(tmp_path, "a")])
    assert ended.cause == "killed by SIGKILL: the machine may be out of memory"
    assert ended.progress is None


def test_the_log_keeps_no_bars_and_no_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_0123456789")
    (ended,) = run_jobs([job(tmp_path, "a")])
    assert ended.tail() == "loading 100 %\ntoken [HF_TOKEN]"


def test_what_is_done_is_known_by_all_that_it_was_a_run_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = job(tmp_path, "a")
    assert not one.is_done()
    list(run_jobs([one]))
    assert not one.is_done()
    one.remember()
    assert one.is_done()
    assert not replace(one, settings={**one.settings, "limit": 3}).is_done()
    assert not replace(one, data="other data").is_done()
    with monkeypatch.context() as newer:
        newer.setattr(jobs, "version", lambda package: "9")
        assert not one.is_done()
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "config.json").write_text("{}")
    local = replace(one, settings={**one.settings, "model_args": f"model={weights}"})
    local.remember()
    assert local.is_done()
    (weights / "config.json").write_text("{ }")
    assert not local.is_done()
    (weights / "config.json").write_text("{}")
    (one.results / "1_results.json").unlink()
    assert not local.is_done()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("null", "must be an object, got null"),
        ("[]", "must be an object, got []"),
        ("{", "is not JSON"),
        ("{}", "lacks `settings`"),
        ('{"settings": [], "data": "", "files": {}, "versions": {}}', "`settings` must be an"),
    ],
)
def test_a_damaged_note_of_the_end_is_named(tmp_path: Path, content: str, message: str) -> None:
    one = job(tmp_path, "a")
    one.folder.mkdir()
    (one.folder / "done.json").write_text(content)
    with pytest.raises(FileError) as error:
        one.is_done()
    assert message in str(error.value)
    assert "done.json" in str(error.value)
    assert str(error.value).endswith("; remove it to run the model again")


def test_a_damaged_progress_is_named(tmp_path: Path) -> None:
    for content, message in (("[1]", "must be an object"), ('{"total": "4"}', "`total` must be")):
        (tmp_path / "progress.json").write_text(content)
        with pytest.raises(FileError, match=f"progress.json {message}.*; remove it"):
            read_progress(tmp_path)


def test_what_cannot_run_is_found_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOME_KEY", raising=False)
    both = [job(tmp_path, "large", 4), job(tmp_path, "api", key="SOME_KEY")]
    with pytest.raises(PresetError) as error:
        check(both, ["0", "1"])
    assert "large: needs 4 GPUs, --gpus names 2" in str(error.value)
    assert "api: set SOME_KEY" in str(error.value)
    monkeypatch.setenv("SOME_KEY", "x")
    check(both, None)


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ("ferbench_sfwe", "no task is called 'ferbench_sfwe'; did you mean ferbench_sfew"),
        ("rafdb", "no task is called 'rafdb'; did you mean ferbench_rafdb"),
        ("mmstar,nothing", "no task is called 'nothing'"),
        ("ferbench,", "--tasks names an empty task"),
    ],
)
def test_tasks_that_do_not_exist_are_found_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tasks: str, message: str
) -> None:
    monkeypatch.setattr(selection, "_tasks_of_lmms_eval", lambda _: ["mmstar"])
    one = job(tmp_path, "one")
    check([replace(one, settings={**one.settings, "tasks": "mmstar,ferbench_s*"})], None)
    with pytest.raises(PresetError, match=re.escape(message)):
        check([one, replace(one, settings={**one.settings, "tasks": tasks})], None)


@pytest.mark.parametrize(
    ("backend", "tasks", "refused"),
    [
        ("vllm", "ferbench,ferbench_ranked", "ferbench_ranked"),
        ("openai", "ferbench_sfew,ferbench_ranked_reasoned_sfew", "ferbench_ranked_reasoned_sfew"),
        ("vllm", "ferbench_*", "ferbench_ranked"),
        ("vllm", "ferbench,ferbench_direct", None),
        *((backend, "ferbench,ferbench_ranked", None) for backend in MODELS),
    ],
)
def test_likelihoods_are_asked_only_of_back_ends_that_tell_them(
    tmp_path: Path, backend: str, tasks: str, refused: str | None
) -> None:
    settings = {"model": backend, "tasks": tasks}
    one = Job(Preset("one", settings, Card("One")), settings, tmp_path / "one", "data")
    if refused is None:
        check([one], None)
        return
    with pytest.raises(PresetError, match=f"one: {refused} asks how likely .* use --model unifer"):
        check([one], None)


def test_a_log_on_a_full_disk_holds_no_model_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    talkative = f"print('x' * 2_000_000)\n{WORKER}"
    monkeypatch.setattr(jobs, "_WORKER", (sys.executable, "-c", talkative))
    one = job(tmp_path, "a")
    one.folder.mkdir()
    one.log.symlink_to("/dev/full")
    (ended,) = run_jobs([one])
    assert ended.status == 0
    warning = f"not kept: {one.log}: no space is left on the disk"
    assert warning in capfd.readouterr().err


def test_an_interrupt_ends_what_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    endless = WORKER.replace("time.sleep(0.5)", "time.sleep(600)")
    monkeypatch.setattr(jobs, "_WORKER", (sys.executable, "-c", endless))
    popens: list[subprocess.Popen[bytes]] = []

    class Noted(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *args: object, **options: object) -> None:
            super().__init__(*args, **options)  # type: ignore[call-overload]
            popens.append(self)

    monkeypatch.setattr("unifer_tasks.runner.jobs.subprocess.Popen", Noted)

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(jobs, "time", SimpleNamespace(sleep=interrupt))
    with pytest.raises(KeyboardInterrupt):
        list(run_jobs([job(tmp_path, "a")]))
    assert [popen.poll() is not None for popen in popens] == [True]
