"""`ferbench run` as a command: back ends that agree, a kill in between, one report."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from data_prep.support.output import Output
from data_prep.synthetic.stand_in import build
from tests.conftest import VLLM_IN_PROCESS, run_command
from tests.forked import Forked
from tests.machine import held_ports
from tests.unifer_tasks.chat_server import UNUSUAL, Request, serve
from unifer_tasks.cli.main import main
from unifer_tasks.data.annotations import read_annotations
from unifer_tasks.data.sample_logs import read_responses
from unifer_tasks.harness.requests.answer_log import AnswerLog, AnswerLogError
from unifer_tasks.harness.requests.progress import read_progress
from unifer_tasks.protocol.answers.outcomes import Outcome
from unifer_tasks.protocol.answers.strict import read_answer
from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.protocol.prompts import response

pytest.importorskip("lmms_eval")

KEY = "sk-a-key-that-nobody-may-see"
# lmms-eval itself writes this one to its log.
TOKEN = "hf_a_token_that_nobody_may_see"
ONE_IMAGE = '{"image":1,"video":0}'
N_QUESTIONS = 60
KEYED = 'key = "OPENAI_API_KEY"\n'
PATIENCE_SECONDS = 1200


@pytest.fixture(scope="session")
def environment(stand_in: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {
        **os.environ,
        **VLLM_IN_PROCESS,
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "FERBENCH_DATA": str(stand_in),
        "HF_DATASETS_CACHE": str(tmp_path_factory.mktemp("hf-datasets")),
        "OPENAI_API_KEY": KEY,
        "HF_TOKEN": TOKEN,
    }


def preset(folder: Path, name: str, model: str, arguments: str, card: str = "") -> Path:
    """Write a preset: as a configuration of lmms-eval, or in our form if there is more to say."""
    if not card:
        path = folder / f"{name}.yaml"
        path.write_text(f"model: {model}\nmodel_args: '{arguments}'\nbatch_size: 2\n")
        return path
    path = folder / f"{name}.toml"
    lines = [f"[preset.{name}]", 'base = "every"', f'title = "{name}"', f'model = "{model}"']
    path.write_text("\n".join([*lines, f"model_args = '{arguments}'", "batch_size = 2", card, ""]))
    return path


def wait_until(what: str, holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < end, f"waited in vain until {what}"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def vllm_server(
    seeing_model: Path, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[VllmServer]:
    """Start `vllm serve` with the tiny model; it may not be up yet."""
    pytest.importorskip("vllm")
    log = tmp_path_factory.mktemp("vllm") / "serve.log"
    with log.open("wb") as file, held_ports(1) as (port,):
        options = [
            "--served-model-name", "tiny", "--host", "127.0.0.1", "--port", str(port),
            "--dtype", "float32", "--enforce-eager", "--max-model-len", "1024",
            "--max-num-seqs", "8", "--limit-mm-per-prompt", ONE_IMAGE, "--skip-mm-profiling",
            "--distributed-executor-backend", "uni",
        ]  # fmt: skip
        server = subprocess.Popen(
            [Path(sys.executable).parent / "vllm", "serve", seeing_model, *options],
            env=environment,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        yield VllmServer(f"http://127.0.0.1:{port}", server, log)
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


@dataclass(frozen=True)
class VllmServer:
    """A server, its process and what it prints."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def is_up(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()[-4000:]
        try:
            with urllib.request.urlopen(f"{self.url}/health") as reply:
                return bool(reply.status == 200)
        except (urllib.error.URLError, ConnectionError):
            return False


@dataclass(frozen=True)
class Resumed:
    """A run that was killed and started again, and then once more."""

    out: Path
    names: list[str]
    kept: str
    first: subprocess.CompletedProcess[str]
    second: subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def resumed(
    seeing_model: Path,
    vllm_server: VllmServer,
    environment: dict[str, str],
    forked: Forked,
    tmp_path_factory: pytest.TempPathFactory,
) -> Resumed:
    """Run four back ends of one model, killed during the first."""
    folder = tmp_path_factory.mktemp("run")
    out = folder / "out"
    local = f"model={seeing_model},dtype=float32,enforce_eager=true,max_model_len=1024"
    presets = [
        preset(folder, "transformers", "unifer", f"pretrained={seeing_model},device=cpu"),
        preset(
            folder,
            "vllm",
            "vllm",
            f"{local},max_num_seqs=8,max_new_tokens=1,limit_mm_per_prompt={ONE_IMAGE},"
            "skip_mm_profiling=true,distributed_executor_backend=uni",
        ),
        preset(
            folder,
            "served",
            "async_openai",
            f"model=tiny,base_url={vllm_server.url}/v1,num_cpus=4,max_retries=2",
            KEYED + "price = { tokens_in = 1, tokens_out = 2 }",
        ),
        # In bfloat16, whatever the machine: lmms-eval fixes it.
        preset(
            folder,
            "own_qwen",
            "qwen2_5_vl",
            f"pretrained={seeing_model},device=cpu,device_map=cpu,min_pixels=3136",
        ),
    ]
    run = [
        "ferbench", "run", "--models", ",".join(map(str, presets)),
        "--out", str(out), "--set", "gen_kwargs.max_new_tokens=12",
    ]  # fmt: skip

    log = out / "transformers" / "answers-0.jsonl"
    killed = subprocess.Popen(
        [Path(sys.executable).with_name(run[0]), *run[1:]],
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    wait_until("answers arrive", lambda: log.exists() and log.read_text().count("\n") >= 2)
    killed.kill()
    killed.wait()

    def is_free() -> bool:
        try:
            AnswerLog(log.parent).close()
        except AnswerLogError:
            return False
        return True

    wait_until("the orphan has ended", is_free)
    kept = log.read_text()
    wait_until("vLLM serves", vllm_server.is_up)
    first = run_command(forked.command(*run), env=environment)
    second = run_command(forked.command(*run), env=environment)
    return Resumed(out, [path.stem for path in presets], kept, first, second)


def test_a_kill_loses_nothing_that_was_answered(resumed: Resumed) -> None:
    lines = (resumed.out / "transformers" / "answers-0.jsonl").read_text()
    assert lines.startswith(resumed.kept)
    keys = [json.loads(line)["key"] for line in lines.splitlines()]
    assert len(keys) == len(set(keys)) == N_QUESTIONS
    progress = read_progress(resumed.out / "transformers")
    assert progress is not None
    assert (progress.answered, progress.failed) == (N_QUESTIONS, 0)
    assert progress.reused == resumed.kept.count("\n") >= 2


def test_back_ends_agree_under_greedy_decoding(resumed: Resumed) -> None:
    answers = {name: read_responses(resumed.out / name / "results") for name in resumed.names}
    reference = answers["transformers"]
    assert len(reference) == N_QUESTIONS
    differences = {
        name: sum(own[key] != text for key, text in reference.items())
        for name, own in answers.items()
    }
    # One precision, one answer. In bfloat16 two tokens that are nearly as likely may change places.
    assert {name: differences[name] for name in ("vllm", "served")} == {"vllm": 0, "served": 0}
    assert differences["own_qwen"] <= N_QUESTIONS / 4


def test_one_report_shows_all_models(resumed: Resumed) -> None:
    with (resumed.out / "report" / "leaderboard.csv").open(newline="") as file:
        text = [" ".join(row) for row in csv.reader(file)]
    for name in resumed.names:
        assert any(name in row for row in text), text
    assert (resumed.out / "report" / "index.html").is_file()


def test_what_is_done_is_not_run_again(resumed: Resumed) -> None:
    for name in resumed.names:
        assert f"{name}: {N_QUESTIONS} of {N_QUESTIONS} answered" in resumed.first.stdout
        assert f"{name}: done before" in resumed.second.stdout
    assert "answered" not in resumed.second.stdout


def test_spend_is_reported_before_and_after(resumed: Resumed) -> None:
    told = resumed.first.stdout
    assert "served: will cost at most about 0.04 for 60 questions" in told
    assert re.search(r"served: cost 0\.\d\d for [\d,]+ tokens in and [1-9][\d,]* out", told)


def test_failed_requests_are_reported_and_asked_again(
    environment: dict[str, str], forked: Forked, tmp_path: Path
) -> None:
    """Each question is asked once a start, whatever the reply and however many calls it takes."""
    broken = True
    back_ends = {"stub": "openai", "later": "async_openai"}

    def answer(request: Request) -> str | Mapping[str, Any] | None:
        number = asked[request.options["model"]]
        asked[request.options["model"]] += 1
        if broken and number < len(replies):
            return replies[number].body
        return response("Hm.", "fear")

    replies = list(UNUSUAL.values())
    outcomes = Counter(reply.outcome for reply in replies)
    n_failed = outcomes[Outcome.REQUEST_FAILED]
    n_answered = N_QUESTIONS - n_failed
    with serve(answer) as server:
        paths = [
            preset(
                tmp_path,
                name,
                back_end,
                f"model={name},base_url={server.url},max_retries=1,"
                f"{'num_cpus' if name == 'later' else 'num_concurrent'}=4",
                KEYED,
            )
            for name, back_end in back_ends.items()
        ]
        command = forked.command(
            "ferbench", "run", "--models", ",".join(map(str, paths)),
            "--out", str(tmp_path / "out"), "--set", "gen_kwargs.temperature=0.7",
        )  # fmt: skip
        asked = Counter[str]()
        first = run_command(command, env=environment, status=3)
        assert asked == dict.fromkeys(back_ends, N_QUESTIONS)
        broken = False
        asked.clear()
        second = run_command(command, env=environment)
        assert asked == dict.fromkeys(back_ends, n_failed)
        third = run_command(command, env=environment)
        assert asked == dict.fromkeys(back_ends, n_failed)
    total = n_failed * len(back_ends)
    assert f"{total} requests failed; start again to ask them again" in first.stderr
    for name in back_ends:
        told = f"{name}: {n_answered} of 60 answered, 0 of them before, {n_failed} failed"
        assert told in first.stdout
        assert f"{name}: 60 of 60 answered, {n_answered} of them before, 0" in second.stdout
        assert f"{name}: done before" in third.stdout
        log = (tmp_path / "out" / name / "answers-0.jsonl").read_text().splitlines()
        read = Counter(read_answer(json.loads(line)["text"], "sfew").outcome for line in log)
        assert read == {
            Outcome.TRUNCATED: outcomes[Outcome.TRUNCATED],
            Outcome.REFUSED: outcomes[Outcome.REFUSED],
            Outcome.ANSWERED: N_QUESTIONS - outcomes[Outcome.TRUNCATED] - outcomes[Outcome.REFUSED],
        }
    files = (path for path in (tmp_path / "out" / "stub").rglob("*") if path.is_file())
    written = [path.read_text() for path in files]
    assert len(written) > 10
    for secret in (KEY, TOKEN):
        assert not [text for text in written if secret in text]
        for done in (first, second):
            assert secret not in done.stdout + done.stderr
    assert "'token': '[HF_TOKEN]'" in (tmp_path / "out" / "stub" / "log.txt").read_text()


def test_a_run_whose_every_request_failed_is_not_done(
    environment: dict[str, str], forked: Forked, tmp_path: Path
) -> None:
    with serve(lambda request: None) as server:
        arguments = f"model=stub,base_url={server.url},num_concurrent=4,max_retries=1"
        path = preset(tmp_path, "stub", "openai", arguments, KEYED)
        command = forked.command(
            "ferbench", "run", "--models", str(path), "--out", str(tmp_path / "out"),
            "--tasks", "ferbench_sfew", "--set", "gen_kwargs.temperature=1", "--set", "repeats=2",
        )  # fmt: skip
        done = run_command(command, env=environment, status=3)
    assert "stub: 0 of 28 answered, 0 of them before, 28 failed" in done.stdout
    assert not (tmp_path / "out" / "stub" / "done.json").exists()


def test_an_addition_to_a_run_that_is_done_asks_nothing_twice(
    environment: dict[str, str], forked: Forked, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with serve(lambda request: response("Hm.", "fear")) as server:
        arguments = f"model=stub,base_url={server.url},num_concurrent=4"
        path = preset(tmp_path, "stub", "openai", arguments, KEYED)
        run = ["ferbench", "run", "--models", str(path), "--out", str(out)]
        run += ["--tasks", "ferbench_sfew,ferbench_ferplus"]
        base = run_command(forked.command(*run), env=environment)
        n_base = len(server.asked)
        with_more = forked.command(*run, "--with", "direct,votes")
        first = run_command(with_more, env=environment)
        n_both = len(server.asked)
        second = run_command(with_more, env=environment)
        assert len(server.asked) == n_both == 2 * n_base == 60
    assert "30 requests (14 ferbench_sfew, 16 ferbench_ferplus)" in base.stdout
    assert "stub: 60 requests (14 ferbench_sfew, 16 ferbench_ferplus, " in first.stdout
    assert "stub: 60 of 60 answered, 30 of them before, 0 failed" in first.stdout
    assert "stub: done before" in second.stdout
    assert "## Annotators' votes\n" in (out / "report" / "leaderboard.md").read_text()
    scores = json.loads((out / "report" / "scores.json").read_text())
    assert [one["variant"] for one in scores["runs"]] == ["base", "direct"]
    assert scores["votes"].keys() == {"stub", "stub (direct)"}


def test_a_planted_bias_is_found_in_a_run_and_none_in_a_fair_one(
    environment: dict[str, str], forked: Forked, tmp_path: Path
) -> None:
    """Two models see the same faces: one is right where an expression is strong, one anywhere."""
    data = tmp_path / "data"
    labels = LABEL_SPACES["rafdb"].labels
    targets = {"rafdb": [(f"drawn/{number}", labels[number % 7]) for number in range(98)]}
    build(Output(data, jobs=1), targets, seed=0, recipe={}, bias=0.9)
    faces = read_annotations(data / "rafdb" / "test.parquet")
    paths = []
    for name in ("biased", "fair"):
        said = tmp_path / f"{name}.jsonl"
        with said.open("w") as file:
            for number, (id_, target) in enumerate(targets["rafdb"]):
                is_weak = (faces[id_].intensity or 1) < 0.3
                is_wrong = is_weak if name == "biased" else number % 7 == number // 7 % 7
                answer = labels[(labels.index(target) + is_wrong) % 7]
                row = {"dataset": "rafdb", "id": id_, "target": target}
                file.write(json.dumps({**row, "response": response("Hm.", answer)}) + "\n")
        paths.append(preset(tmp_path, name, "replay", f"samples={said}"))
    command = forked.command(
        "ferbench", "run", "--models", ",".join(map(str, paths)), "--out", str(tmp_path / "out"),
        "--tasks", "ferbench_rafdb", "--with", "groups",
    )  # fmt: skip
    run_command(command, env={**environment, "FERBENCH_DATA": str(data)})
    scores = json.loads((tmp_path / "out" / "report" / "scores.json").read_text())
    gaps = {name: of["gender"]["gaps"] for name, of in scores["groups"].items()}
    assert gaps["biased"]["p_holm"] < 0.01
    assert gaps["biased"]["excess"]["worst"] == "female"
    assert gaps["fair"]["p_holm"] > 0.05
    text = (tmp_path / "out" / "report" / "leaderboard.md").read_text()
    assert "biased, gender: female is" in text
    assert "fair, gender" not in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--models", "nobody"], "no preset is called 'nobody'"),
        (["--models", "gemini_2_5_pro"], "gemini_2_5_pro: set GOOGLE_API_KEY"),
        (["--models", "qwen2_5_vl_72b", "--gpus", "0,1"], "needs 4 GPUs, --gpus names 2"),
        (["--models", "gpt_4o", "--set", "batch_size"], "must have the form [PRESET:]KEY=VALUE"),
        (["--models", "gpt_4o", "--price", "gpt_4o=cheap"], "must have the form PRESET=IN,OUT"),
        (["--models", "gpt_4o", "--price", "gpt_5=1,2"], "names no model of this run"),
        (
            ["--models", "gpt_4o", "--with", "rankd"],
            "--with has no addition 'rankd'; did you mean ranked?",
        ),
        (["--models", "gpt_4o", "--with", "rankd", "--with", "votes"], "no addition 'rankd'"),
        (["--models", "gpt_4o", "--with", "ranked"], "gpt_4o: ferbench_ranked asks how likely"),
        (["--models", "gpt_4o", "--with", "ranked"], "unifer or unifer_vllm, or leave it out"),
        (["--models", "gpt_4o", "--with", "votes", "--tasks", "ferbench_sfew"], "about FERPlus"),
    ],
)
def test_what_cannot_be_run_is_reported_at_once(
    options: list[str],
    message: str,
    stand_in: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FERBENCH_DATA", str(stand_in))
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("GOOGLE_API_KEY", raising=False)
    assert main(["run", *options, "--out", str(tmp_path / "out")]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("limit", ["0", "-1", "many"])
def test_a_limit_is_a_number_of_questions(limit: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["run", "--models", "gpt_4o", "--out", "out", f"--limit={limit}"])
    assert caught.value.code == 2
    assert "--limit: " in capsys.readouterr().err


def test_an_unknown_preset_is_reported_before_missing_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FERBENCH_DATA", str(tmp_path / "gone"))
    assert main(["run", "--models", "nobody", "--out", str(tmp_path / "out")]) == 1
    assert "no preset is called 'nobody'" in capsys.readouterr().err


def test_a_folder_without_a_manifest_is_named_with_what_writes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FERBENCH_DATA", str(tmp_path))
    assert main(["run", "--models", "gpt_4o", "--out", str(tmp_path / "out")]) == 1
    message = capsys.readouterr().err
    assert f"{tmp_path / 'manifest.json'} is missing: the folder was not written by" in message
    assert "`unifer-data ferbench`" in message
    assert not (tmp_path / "out").exists()
