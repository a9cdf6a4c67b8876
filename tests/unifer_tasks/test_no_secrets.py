"""Every kind of credential in a real run, and none of them in a file or on the screen."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.conftest import run_command
from tests.forked import Forked
from tests.unifer_tasks.quoting_server import serve_quotes

pytest.importorskip("lmms_eval")

# Kind -> the credential. None is of a provider's own form.
SECRETS = {
    "a variable": "variable-0f1e2d3c",
    "a variable of the preset": "preset-0f1e2d3c",
    "api_key": "argument-0f1e2d3c",
    "a password in a URL": "%77ord-0f1e2d3c",
    "the same, decoded": "word-0f1e2d3c",
    "hf_token": "hub-0f1e2d3c",
    "api-key": "dash-0f1e2d3c",
    "a key in a query": "query-0f1e2d3c",
    "a signature in a query": "signature-0f1e2d3c",
    "gen_kwargs": "decoding-0f1e2d3c",
    "a header in JSON": "header-0f1e2d3c",
    "the header of a login": "dXNlcjp3b3JkLTBmMWUyZDNj",
}
ARGUMENTS = (
    f"hf_token={SECRETS['hf_token']}",
    f"api-key={SECRETS['api-key']}",
    f"endpoint=http://h/?key={SECRETS['a key in a query']}&sig={SECRETS['a signature in a query']}",
)
DECODING = (
    f"api_key={SECRETS['gen_kwargs']}",
    f'headers={{"Authorization": "Bearer {SECRETS["a header in JSON"]}"}}',
)


def environment(stand_in: Path) -> dict[str, str]:
    return {
        **os.environ,
        "FERBENCH_DATA": str(stand_in),
        "OPENAI_API_KEY": SECRETS["a variable"],
    }


def found(texts: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(where, kind) for where, text in texts for kind, s in SECRETS.items() if s in text]


def files(folder: Path) -> list[tuple[str, str]]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return [(str(path), path.read_bytes().decode(errors="replace")) for path in paths]


def test_a_run_writes_and_prints_none(stand_in: Path, forked: Forked, tmp_path: Path) -> None:
    said: list[str] = []
    out = tmp_path / "out"
    login = f"user:{SECRETS['a password in a URL']}"
    with serve_quotes(said) as address:
        presets = {"keyed": f"http://{address}/v1", "login": f"http://{login}@{address}/v1"}
        for name, url in presets.items():
            (tmp_path / f"{name}.yaml").write_text(
                f"# key: OPENAI_API_KEY\nmodel: openai\nmodel_args: 'model={name},base_url={url},"
                "num_concurrent=1,max_retries=1'\ntasks: ferbench_sfew\nbatch_size: 1\n"
                f"env:\n  OTHER_KEY: {SECRETS['a variable of the preset']}\nlog_samples: true\n"
            )
        changes = [
            f"keyed:model_args.api_key={SECRETS['api_key']}",
            *(f"model_args.{argument}" for argument in ARGUMENTS),
            *(f"gen_kwargs.{argument}" for argument in DECODING),
        ]
        command = forked.command(
            "ferbench", "run", "--out", str(out), "--models",
            ",".join(str(tmp_path / f"{name}.yaml") for name in presets),
            *(word for change in changes for word in ("--set", change)),
        )  # fmt: skip
        done = run_command(command, env=environment(stand_in), status=3)
        n_asked = len(said)
        again = run_command(command, env=environment(stand_in), status=3)
    # The job had the credentials.
    assert {SECRETS["api_key"], f"user:{SECRETS['the same, decoded']}"} == set(said)
    # What was answered is known under them.
    assert n_asked == 28
    assert len(said) == 28 + 14
    assert (out / "keyed/config.yaml").read_text().count("${UNIFER_SECRET_") >= 7
    printed = [(name, done.stdout + done.stderr) for name, done in (("1", done), ("2", again))]
    assert found(files(out)) == []
    assert found(printed) == []
    names = {path.name.split("_")[-1] for path in out.rglob("*")}
    assert {"config.yaml", "log.txt", "results.json", "scores.json", "index.html"} <= names
    assert "Incorrect API key provided" in (out / "keyed/log.txt").read_text()


@pytest.mark.parametrize("starter", [("ferbench", "lmms-eval"), ("lmms-eval",)])
def test_lmms_evals_files_hold_none(
    starter: tuple[str, ...], stand_in: Path, forked: Forked, tmp_path: Path
) -> None:
    said: list[str] = []
    with serve_quotes(said) as address:
        url = f"http://user:{SECRETS['a password in a URL']}@{address}/v1"
        arguments = [f"model=m,base_url={url},num_concurrent=1,max_retries=1", *ARGUMENTS]
        command = forked.command(
            *starter, "--model", "openai", "--model_args", ",".join(arguments), "--gen_kwargs",
            ",".join(DECODING), "--tasks", "ferbench_sfew", "--limit", "4",
            "--output_path", str(tmp_path / "out"), "--log_samples",
        )  # fmt: skip
        known = starter == ("ferbench", "lmms-eval")
        done = run_command(command, env=environment(stand_in), status=3 if known else 0)
    assert set(said) == {f"user:{SECRETS['the same, decoded']}"}
    written = files(tmp_path / "out")
    assert len(written) == 2
    # Without our command, a login is only known by its place.
    assert found(written if known else [w for w in written if "results" in w[0]]) == []
    assert found([("printed", done.stdout + done.stderr)] if known else []) == []


def test_a_teachers_errors_and_answers_hold_none(
    bin_folder: Path, stand_in: Path, tmp_path: Path
) -> None:
    said: list[str] = []
    run_command([bin_folder / "unifer-data", "drawn", "--train", "4", "--out", tmp_path / "drawn"])
    key, login = SECRETS["a variable"], f"user:{SECRETS['a password in a URL']}"
    with serve_quotes(said) as address:
        for user in ("", f"{login}@"):
            command = [
                bin_folder / "unifer-data", "cot", "--rows", tmp_path / "drawn/rlvr", "--teacher",
                "tutor", "--base-url", f"http://{user}{address}/v1", "--out", tmp_path / "out",
                "--concurrency", "1",
            ]  # fmt: skip
            # The server refuses one request and answers the next.
            for _ in range(2):
                done = run_command(command, env=environment(stand_in), status=1)
                assert "the teacher cannot be asked" in done.stderr
                assert found([("printed", done.stdout + done.stderr)]) == []
    assert {key, f"user:{SECRETS['the same, decoded']}"} == set(said)
    assert "Incorrect API key provided" in (tmp_path / "out/answers.jsonl").read_text()
    assert found(files(tmp_path / "out")) == []
