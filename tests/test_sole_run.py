"""Two runs of any command that writes in one place: the second says so and touches nothing."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, run_command
from tests.data_prep import official
from tests.data_prep.reading import lines, times
from tests.data_prep.teacher_server import Teacher, serving
from unifer_tasks.support.locks import LOCK_NAME, hold

# Runs a command until it holds its first place, and then waits for a line.
PAUSED = """
import importlib, sys
from contextlib import contextmanager
from unifer_tasks.support import locks
locked = locks._locked
@contextmanager
def pause(*given, **named):
    with locked(*given, **named):
        print("locked", file=sys.stderr, flush=True)
        sys.stdin.readline()
        yield
locks._locked = pause
sys.exit(importlib.import_module(sys.argv[1]).main(sys.argv[2:]))
"""


@dataclass(frozen=True)
class Case:
    """A command, the place that it writes, and whether it is run to its end.

    `{root}` is a folder with all that the commands read, `{out}` one to write to.
    """

    command: str
    place: str = "{out}"
    is_short: bool = True


ARCHIVES = "--sfew {root}/sfew --partial --jobs 1"
CASES = {
    "ferbench": Case(f"unifer-data ferbench {ARCHIVES} --out {{out}}"),
    "rlvr": Case(f"unifer-data rlvr {ARCHIVES} --no-leak-check --out {{out}}"),
    "rlvr of a 7z": Case(
        "unifer-data rlvr --sfew {root}/sfew.7z --partial --jobs 2 --no-leak-check --out {out}"
    ),
    "cot": Case(
        "unifer-data cot --rows {root}/rlvr --teacher tutor --base-url {teacher} --out {out}"
    ),
    "drawn": Case("unifer-data drawn --per-class 1 --jobs 1 --out {out}"),
    "drawn rows": Case("unifer-data drawn --train 4 --jobs 1 --out {out}"),
    "reformat": Case("unifer-data reformat {root}/rlvr --format direct --out {out}"),
    "rebase": Case("unifer-data rebase {root}/rlvr --root {root}/sfew", "{root}/rlvr"),
    "export": Case(
        "unifer-data export vlmevalkit {root}/benchmark --jobs 1 --out {out}", "{out}/FERBench.tsv"
    ),
    "report": Case("ferbench report {root}/rows.jsonl --out {out}"),
    "score": Case(
        "ferbench score {root}/rows.jsonl --json {out}/s.json --answers {out}/a.jsonl",
        "{out}/s.json",
    ),
    "compare": Case(
        "ferbench compare {root}/rows.jsonl other={root}/rows.jsonl --flips {out}/f.jsonl",
        "{out}/f.jsonl",
    ),
    "tiny-model": Case("ferbench tiny-model {out}"),
    "run": Case("ferbench run --models {root}/stub.yaml --out {out}", "{out}/stub", is_short=False),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, bin_folder: Path, stand_in: Path) -> Path:
    """Write all that the commands read."""
    root = tmp_path_factory.mktemp("root")
    official.write_sfew(root / "sfew", 1)
    shutil.move(official.packed(root / "sfew", "7z"), root / "sfew.7z")
    (root / "benchmark").symlink_to(stand_in)
    rows = [("a", "sad"), ("b", "fear")]
    (root / "rows.jsonl").write_text(
        "".join(
            json.dumps({"dataset": "sfew", "id": name, "target": "sad", "label": label}) + "\n"
            for name, label in rows
        )
    )
    (root / "stub.yaml").write_text("model: openai\nmodel_args: model=stub\ntasks: ferbench\n")
    rlvr = CASES["rlvr"].command.format(root=root, out=root / "rlvr").split()
    run_command([bin_folder / rlvr[0], *rlvr[1:]])
    return root


@pytest.fixture(scope="module")
def teacher() -> Iterator[Teacher]:
    with serving(Teacher()) as teacher:
        yield teacher


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_second_run_leaves_the_first_alone(
    case: Case,
    root: Path,
    teacher: Teacher,
    stand_in: Path,
    tmp_path: Path,
    bin_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FERBENCH_DATA", str(stand_in))
    known = {"root": root, "out": tmp_path / "out", "teacher": teacher.url}
    program, *arguments = case.command.format(**known).split()
    module = {"unifer-data": "data_prep.cli.main", "ferbench": "unifer_tasks.cli.main"}[program]
    place = Path(case.place.format(**known))
    first = subprocess.Popen(
        [sys.executable, "-c", PAUSED, module, *arguments],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert first.stderr is not None
    while (line := first.stderr.readline()) != "locked\n":
        assert line, "the first run took no lock"
    before = times(place.parent)
    second = run_command([bin_folder / program, *arguments], status=1)
    said = second.stderr.splitlines()
    assert len(said) == 1
    assert said[0].startswith(f"{program}: another run is ")
    assert f" {place} (process {first.pid} on " in said[0]
    assert times(place.parent) == before
    first.send_signal(signal.SIGKILL)
    first.communicate()
    if case.is_short:
        run_command([bin_folder / program, *arguments])
        assert not [path for path in place.parent.rglob("*") if path.name.endswith(".lock")]
    else:
        with hold(place):
            pass


def test_different_files_of_one_folder_are_written_side_by_side(
    root: Path, tmp_path: Path, bin_folder: Path
) -> None:
    export: list[str | Path]
    export = [bin_folder / "unifer-data", "export", "vlmevalkit", root / "benchmark"]
    both = [[*export, "--out", tmp_path, "--form", form] for form in ("choice", "open")]
    assert [run.wait() for run in [subprocess.Popen(command) for command in both]] == [0, 0]
    assert {"FERBench.tsv", "FERBench_openended.tsv"} <= {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("archive", ["sfew", "sfew.7z"])
def test_two_at_once_give_one_whole_output(
    archive: str, root: Path, tmp_path: Path, bin_folder: Path
) -> None:
    command: list[str | Path]
    command = [bin_folder / "unifer-data", "rlvr", "--sfew", root / archive, "--partial"]
    command += ["--no-leak-check", "--out", tmp_path / "out"]
    runs = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    said = [run.communicate()[1] for run in runs]
    assert 0 in {run.returncode for run in runs} <= {0, 1}
    for run, text in zip(runs, said, strict=True):
        assert (run.returncode == 1) == ("another run is at work" in text), text
    run_command([bin_folder / "unifer-data", "verify", tmp_path / "out"])


def test_two_teachers_answers_are_not_paid_twice(
    root: Path, tmp_path: Path, bin_folder: Path
) -> None:
    with serving(Teacher(slow_s=0.2)) as teacher:
        command: list[str | Path]
        command = ["cot", "--rows", root / "rlvr", "--teacher", "tutor", "--base-url", teacher.url]
        run = [bin_folder / "unifer-data", *command, "--out", tmp_path / "out"]
        runs = [subprocess.Popen(run, stderr=subprocess.PIPE, text=True) for _ in range(2)]
        said = "".join(run.communicate()[1] for run in runs)
        assert said.count("another run is at work") == sum(run.returncode for run in runs)
        run_command(run)
    assert teacher.requests == {"answered": 7}
    answers = lines(tmp_path / "out/answers.jsonl")
    assert len({answer["id"] for answer in answers}) == len(answers) == 7


def test_no_command_that_writes_is_forgotten() -> None:
    from data_prep.cli import main as data
    from unifer_tasks.cli import main as benchmark

    parsers: list[Callable[[], object]] = [data._parser, benchmark._parser]
    names: set[str] = set()
    for parser in parsers:
        (action,) = (a for a in parser()._actions if a.choices)  # type: ignore[attr-defined]
        names |= set(action.choices)
    reads = {"verify", "doctor", "preset", "tasks-path", "lmms-eval"}
    assert names - reads == {name.split()[0] for name in CASES}
    assert LOCK_NAME.startswith(".")
