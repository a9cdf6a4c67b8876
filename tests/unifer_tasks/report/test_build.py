from __future__ import annotations

import gc
import json
import re
from pathlib import Path

import pytest

from tests.conftest import run_command
from tests.forked import Forked
from tests.unifer_tasks.report.on_disk import answers, write_logs, write_predictions
from unifer_tasks.cli.main import main
from unifer_tasks.cli.report import named_path

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a report, and its twin beside it."""
    folder = tmp_path_factory.mktemp("report")
    tasks = {f"ferbench_{dataset}": answers(dataset) for dataset in ("sfew", "rafdb")}
    logs = write_logs(folder / "logs", tasks, model="org/m_$1|<b>", stand_in=True)
    other = write_predictions(folder / "other.jsonl", {"sfew": answers("sfew", right=1, wrong=2)})
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("FERBENCH_DATA", raising=False)
        for name in ("one", "two"):
            runs = [str(logs), f"mine={other}"]
            assert main(["report", *runs, "--out", str(folder / name)]) == 0
            assert gc.isenabled()
            assert gc.get_freeze_count() == 0
    return folder / "one"


def test_a_report_has_every_part(report: Path) -> None:
    parts = {path.relative_to(report).parts[0] for path in report.rglob("*")}
    assert parts == {
        "index.html", "leaderboard.csv", "leaderboard.md", "leaderboard.tex", "plots",
        "scores.json",
    }  # fmt: skip
    document = json.loads((report / "scores.json").read_text())
    assert document["runs"][-1]["name"] == "mine"
    assert any("did not answer the same questions" in text for text in document["warnings"])
    assert any(text.startswith("STAND-IN faces") for text in document["warnings"])
    page = (report / "index.html").read_text()
    assert "did not answer the same questions" in page
    assert "org/m_$1|&lt;b&gt;" in page


def test_the_page_links_to_every_file_of_the_report(report: Path) -> None:
    page = (report / "index.html").read_text()
    files = {str(path.relative_to(report)) for path in report.rglob("*") if path.is_file()}
    linked = set(re.findall(r'<a href="([^"#:]+)"', page))
    assert linked == files - {"index.html"}


def test_equal_runs_give_equal_bytes(report: Path) -> None:
    for path in report.rglob("*"):
        if path.is_file():
            twin = report.parent / "two" / path.relative_to(report)
            assert path.read_bytes() == twin.read_bytes(), path.name


@pytest.mark.parametrize("content", ["", "{"])
def test_bad_input_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    path = tmp_path / "runs.jsonl"
    path.write_text(content)
    assert main(["report", str(path), "--out", str(tmp_path / "out")]) == 1
    assert str(path) in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_empty_folder_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "holds no run of FERBench" in capsys.readouterr().err


def test_data_that_is_none_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_predictions(tmp_path / "a.jsonl", {"sfew": answers("sfew")})
    arguments = ["report", str(path), "--out", str(tmp_path / "out"), "--data", str(tmp_path)]
    assert main(arguments) == 1
    assert "manifest.json is missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("folder", "message"), [("none", "is no"), (".", "manifest.json is missing")]
)
def test_a_report_does_without_data_that_the_environment_misnames(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    folder: str,
    message: str,
) -> None:
    monkeypatch.setenv("FERBENCH_DATA", str(tmp_path / folder))
    path = write_predictions(tmp_path / "a.jsonl", {"sfew": answers("sfew")})
    assert main(["report", str(path), "--out", str(tmp_path / "out")]) == 0
    error = capsys.readouterr().err
    assert "WARNING: the page shows no images: " in error
    assert message in error
    assert (tmp_path / "out" / "index.html").exists()


def test_compare_prints_tests_and_writes_flips(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a = write_predictions(tmp_path / "a.jsonl", {"sfew": answers("sfew")})
    b = write_predictions(tmp_path / "b.jsonl", {"sfew": answers("sfew", right=1, wrong=2)})
    out = tmp_path / "flips.jsonl"
    assert main(["compare", str(a), f"second={b}", "--flips", str(out)]) == 0
    shown = capsys.readouterr()
    assert "b: second" in shown.out
    pooled = shown.out.splitlines()[-1].split()
    assert pooled[:5] == ["pooled", "21", "0.6667", "0.3333", "+0.3333"]
    assert pooled[-2:] == ["0.0156", "0.0312"]
    assert "Incomplete: 21 of 11,072 questions" in shown.err
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(rows) == 7
    assert rows[0] == {
        "a": "a", "b": "second", "dataset": "sfew", "id": "angry-1", "target": "angry",
        "label_a": "angry", "label_b": "surprise", "outcome_a": "answered",
        "outcome_b": "answered",
    }  # fmt: skip


def test_compare_needs_two_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = write_predictions(tmp_path / "a.jsonl", {"sfew": answers("sfew")})
    assert main(["compare", str(a)]) == 1
    assert "a is one run; give two or more" in capsys.readouterr().err


def test_what_lmms_eval_really_writes_is_read(
    forked: Forked, stand_in: Path, tmp_path: Path
) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    rows = pq.read_table(stand_in / "sfew" / "test.parquet", columns=["dataset", "id", "target"])
    path = tmp_path / "gold.jsonl"
    path.write_text(
        "".join(
            json.dumps({**row, "response": f"<answer>{row['target']}</answer>"}) + "\n"
            for row in rows.to_pylist()
        )
    )
    run_command(
        forked.command(
            "ferbench", "lmms-eval", "--model", "replay", "--model_args", f"samples={path}",
            "--tasks", "ferbench_sfew,ferbench_direct_sfew",
            "--output_path", str(tmp_path / "out"), "--log_samples",
        ),
        env={"FERBENCH_DATA": str(stand_in)},
    )  # fmt: skip
    from unifer_tasks.report.sources.given import read_runs

    base, direct = read_runs([tmp_path / "out"])
    assert (base.name, base.title, direct.variant.key) == (
        "replay gold.jsonl", "replay gold.jsonl", "direct",
    )  # fmt: skip
    assert (base.stand_in, len(base.predictions)) == (True, 14)
    assert base.notes == direct.notes
    assert [note.partition(":")[0] for note in base.notes] == ["Incomplete"]
    manifest = json.loads((stand_in / "manifest.json").read_text())
    assert base.provenance["data sfew"] == manifest["datasets"]["sfew"]["sha256"]
    assert base.provenance.keys() >= {"unifer", "lmms-eval", "torch", "transformers", "command"}
    assert base.provenance["questions"].endswith("(as this version asks)")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("run.jsonl", "run.jsonl"),
        ("m=run.jsonl", ("m", "run.jsonl")),
        ("lr=1e-4,beta=0=run.jsonl", ("lr=1e-4,beta=0", "run.jsonl")),
        ("a=b.jsonl", "a=b.jsonl"),
        ("m=a=b.jsonl", ("m", "a=b.jsonl")),
        ("m=none=run", ("m", "none=run")),
    ],
)
def test_a_name_and_a_path_may_hold_an_equals_sign(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: str,
    expected: str | tuple[str, str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("run.jsonl", "a=b.jsonl"):
        Path(name).touch()
    found = named_path(given)
    shown = str(found) if isinstance(found, Path) else (found[0], str(found[1]))
    assert shown == expected
