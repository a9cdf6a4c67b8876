"""`ferbench lmms-eval`, in this process: what it refuses, and what its exit status says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lmms_eval")

from loguru import logger

from tests.unifer_tasks.report.on_disk import write_lines
from unifer_tasks.harness.host import run_lmms_eval
from unifer_tasks.harness.requests.shortfall import FAILED_REQUESTS_STATUS
from unifer_tasks.protocol.prompts import response
from unifer_tasks.support.seams import replaced

FAILED = "[LMMS_EVAL_REQUEST_FAILED after 2 retries] Connection error."
REPLAY = ("--model", "replay", "--model_args", "samples=log.jsonl", "--tasks", "ferbench_sfew")

Log = Callable[..., Path]


@pytest.fixture(scope="module", autouse=True)
def _tasks_indexed_once() -> Iterator[None]:
    """lmms-eval reads some 1,500 YAML files for each of its runs."""
    import lmms_eval.models  # noqa: F401  (loads the plug-ins)
    from lmms_eval.tasks import TaskManager

    read = TaskManager.initialize_tasks
    index: list[Any] = []

    def read_once(self: TaskManager, *given: Any, **options: Any) -> Any:
        if not index:
            index.append(read(self, *given, **options))
        return index[0]

    with replaced(TaskManager, "initialize_tasks", read_once):
        yield


@pytest.fixture
def log(tmp_path: Path, stand_in: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    """Write right answers to every question of SFEW, some of them failed, where runs start."""
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setenv("FERBENCH_DATA", str(stand_in))
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    table = parquet.read_table(stand_in / "sfew" / "test.parquet", columns=["id", "target"])

    def write(failed: int = 0) -> Path:
        texts = [FAILED] * failed
        return write_lines(
            tmp_path / "log.jsonl",
            (
                {
                    "dataset": "sfew",
                    **row,
                    "response": texts.pop() if texts else response("Hm.", row["target"]),
                }
                for row in table.to_pylist()
            ),
        )

    write()
    yield write
    # lmms-eval logs to the standard output of the run that was last.
    logger.remove()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--output_path", "log.jsonl"), "--output_path log.jsonl is a file; name a directory"),
        (("--output_path", "log.jsonl/a"), "log.jsonl/a: log.jsonl is a file; name a directory"),
        (("--output_path", "broken"), "--output_path broken is a link to nothing"),
        (("--output_path", "2026"), "--output_path 2026 cannot be used: lmms-eval splits it"),
        (("--output_path", "true"), "write ./ before it"),
        (("--output_path", "a,b"), "choose another name"),
        (("--use_cache", "log.jsonl"), "--use_cache log.jsonl is a file; name a directory"),
        (("--use_cache", "log.jsonl/a"), "log.jsonl is a file; name a directory"),
        (("--offset", "14"), "--offset 14 skips every question of ferbench_sfew, which has 14"),
        (("--offset", "1000"), "--offset 1,000 skips every question of ferbench_sfew"),
        (("--verbosity", "info"), "--verbosity has no level 'info'; did you mean INFO?"),
        (("--verbosity", "LOUD"), "--verbosity has no level 'LOUD'; it takes TRACE, DEBUG"),
        (("--config", "none.yaml"), "--config none.yaml: no such file or folder"),
        (("--config", "."), "--config .: it is a folder; name a file"),
        (("--include_path", "none"), "--include_path none is not a directory"),
        (("--timezone", "Mars"), "--timezone Mars is not a time zone"),
        (("--hf_hub_log_args", "a"), "--hf_hub_log_args 'a' must have the form NAME=VALUE"),
        (("--apply_chat_template",), "leave --apply_chat_template out"),
        (("--fewshot_as_multiturn",), "leave --fewshot_as_multiturn out"),
        (("--max_tokens", "0"), "--max_tokens must be a positive integer, got '0'"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_sentence(
    log: Log, capfd: pytest.CaptureFixture[str], words: tuple[str, ...], message: str
) -> None:
    Path("broken").symlink_to("nowhere")
    assert run_lmms_eval([*REPLAY, *words]) == 1
    error = capfd.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert error.count("ferbench lmms-eval:") == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty; give at least model and tasks"),
        ("# nothing\n", "is empty"),
        ("[]", "is empty"),
        ("[1, 2", "is not a YAML file"),
        ("replay", "must map options to values, got 'replay'"),
        ("- model: replay\n- 3\n", "must map options to values, got 3"),
        ("model: replay\ntaskz: ferbench\n", "unknown key 'taskz'; did you mean tasks?"),
        ("env: [A]\n", "env must map names to values"),
        ("seed: 42\n", "seed must be [42, 42, 42, 42], not 42"),
        ("seed: [1, 2, 3]\n", "seed must have 4 values, got [1, 2, 3]"),
        ("seed: '1,2,3,4'\n", "seed must be [1, 2, 3, 4], not '1,2,3,4'"),
        ("limit: few\n", "limit cannot be 'few'"),
        ("limit: '3'\n", "limit must be 3.0, not '3'"),
        ("offset:\n", "offset has no value; give one, or leave it out"),
        ("log_samples: 'yes'\n", "log_samples must be true or false, got 'yes'"),
        ("cache_requests: always\n", "cache_requests must be one of true, refresh, delete"),
        (
            "model: replay\nmodel_args: samples=log.jsonl\ntasks: ferbench\nverbosity: LOUD\n",
            "--verbosity has no level 'LOUD'",
        ),
    ],
)
def test_a_configuration_that_lmms_eval_cannot_read_is_refused(
    log: Log, capfd: pytest.CaptureFixture[str], content: str, message: str
) -> None:
    Path("run.yaml").write_text(content)
    assert run_lmms_eval(["--config", "run.yaml"]) == 1
    error = capfd.readouterr().err
    assert message in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("failed", "words", "status", "message"),
    [
        (0, ("--output_path", "./2026", "--use_cache", "kept", "--log_samples"), 0, ""),
        (3, (), FAILED_REQUESTS_STATUS, "3 of 14 requests failed and count as wrong"),
        (3, ("--use_cache", "kept"), FAILED_REQUESTS_STATUS, "3 of 14 requests failed"),
        (1, ("--predict_only", "--output_path", "out"), FAILED_REQUESTS_STATUS, "1 of 14"),
        # What failed is not asked.
        (1, ("--offset", "1"), 0, ""),
    ],
)
def test_the_status_says_whether_requests_failed(
    log: Log,
    capfd: pytest.CaptureFixture[str],
    failed: int,
    words: tuple[str, ...],
    status: int,
    message: str,
) -> None:
    log(failed)
    assert run_lmms_eval([*REPLAY, *words]) == status
    error = capfd.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_results_that_cannot_be_written_are_missed(
    log: Log, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lmms_eval.utils.get_datetime_str", lambda **_: "today")
    names = ("today_results.json", "today_samples_ferbench_sfew.jsonl")
    for name in names:
        (Path("out") / name).mkdir(parents=True)
    assert run_lmms_eval([*REPLAY, "--output_path", "out", "--log_samples"]) == 1
    shown = capfd.readouterr()
    for name in names:
        assert f"out/{name} could not be written; make room, or choose another" in shown.err
    assert "STAND-IN faces" in shown.out
