"""The guide to extending in CONTRIBUTING.md, followed in a copy of the packages."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.conftest import REPOSITORY, run_command

PACKAGES = ("unifer_tasks", "unifer_rewards", "data_prep")

TERM = """
def exclamation(response):
    return float("!" in response)
"""

READER = """
from functools import partial

from data_prep.sources.samples import Sample, Source

DATASET = "mine"
NESTED = ()


def open_source(tree):
    return Source(DATASET, "class folders", tree, partial(read, tree))


def read(tree, split):
    for label in tree.folders(str(split)):
        for file in tree.files(f"{split}/{label}"):
            yield Sample(DATASET, f"{label}/{file}", label, split, f"{split}/{label}/{file}")
"""


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the packages and declare the guide's dataset and metric in them."""
    copy = tmp_path_factory.mktemp("copy")
    for name in PACKAGES:
        shutil.copytree(
            REPOSITORY / name, copy / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    guide = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    guide = guide.partition("\n## Extending\n")[2]
    end, start = "    # Others follow: ", "_ROWS = (\n"
    dataset, metric = declared(guide, "LabelSpace"), declared(guide, "Metric")
    change(copy / "unifer_tasks/protocol/labels.py", end, f"    {dataset}\n{end}")
    change(copy / "unifer_tasks/scoring/metrics.py", start, f"{start}    {metric}\n")
    # `python -m` looks where it is started, before $PYTHONPATH.
    leaves = [sys.executable, "-m", "unifer_tasks.ferbench.leaves"]
    run_command(leaves, env=environment(copy), cwd=copy)
    return copy


def declared(guide: str, kind: str) -> str:
    """Return the row that the guide says to add."""
    found = re.search(rf"^{kind}\(.*\),$", guide, re.MULTILINE)
    assert found is not None
    return found[0]


def environment(copy: Path, data: Path | None = None) -> dict[str, str]:
    found = {"PYTHONPATH": str(copy), "HF_DATASETS_CACHE": str(copy / "hf-datasets")}
    return found if data is None else {**found, "FERBENCH_DATA": str(data)}


@pytest.fixture(scope="module")
def data(copy: Path, bin_folder: Path) -> Path:
    """Draw the benchmark of the copy."""
    out = copy / "data"
    run_command(
        [bin_folder / "unifer-data", "drawn", "--out", out, "--per-class", "1"],
        env=environment(copy),
    )
    return out


@pytest.fixture(scope="module")
def predictions(copy: Path, data: Path) -> Path:
    """Write right answers to all questions, but for one of the new dataset."""
    lines = []
    for path in sorted(data.glob("*/test.parquet")):
        for row in pq.read_table(path, columns=["id", "target", "dataset"]).to_pylist():
            label = "surprise" if (row["dataset"], row["target"]) == ("mine", "sad") else None
            answer = f"<think>Seen.</think><answer>{label or row['target']}</answer>"
            lines.append(json.dumps({**row, "response": answer}))
    out = copy / "predictions.jsonl"
    out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return out


def test_a_declared_dataset_is_drawn_checked_and_scored(
    copy: Path, data: Path, predictions: Path, bin_folder: Path
) -> None:
    checked = run_command([bin_folder / "ferbench", "doctor"], env=environment(copy, data))
    assert "My Faces: 3 questions; no counts are official" in checked.stdout
    scores = copy / "scores.json"
    run_command(
        [bin_folder / "ferbench", "score", predictions, "--json", scores], env=environment(copy)
    )
    summary = json.loads(scores.read_text())
    assert summary["datasets"]["mine"]["n"] == 3
    assert summary["datasets"]["mine"]["outcomes"]["off-list"] == 1
    # The pool is FERBench's, with or without another dataset beside it.
    assert summary["pooled"]["n"] == 30
    assert summary["pooled"]["accuracy"] == summary["mean"]["accuracy"] == 1.0


def test_its_tasks_run_in_lmms_eval_beside_the_group(
    copy: Path, data: Path, predictions: Path, bin_folder: Path
) -> None:
    pytest.importorskip("lmms_eval")
    out = copy / "results"
    run_command(
        [
            bin_folder / "ferbench", "lmms-eval", "--model", "replay", "--model_args",
            f"samples={predictions}", "--tasks", "ferbench,ferbench_mine",
            "--output_path", out,
        ],
        env=environment(copy, data),
        cwd=copy,
    )  # fmt: skip
    (path,) = out.rglob("*_results.json")
    rows = json.loads(path.read_text())["results"]
    assert rows["ferbench_mine"]["accuracy,none"] == pytest.approx(2 / 3)
    assert rows["ferbench_mine"]["alias"] == "ferbench_mine [STAND-IN faces]"
    assert rows["ferbench"]["accuracy,none"] == 1.0
    assert rows["ferbench_mine"]["error_rate,none"] == pytest.approx(1 / 3)
    assert rows["ferbench"]["error_rate,none"] == 0.0
    assert "30 of 11,072 questions" in rows["ferbench"]["alias"]


def test_its_archive_is_read_once_it_has_a_reader(
    copy: Path, data: Path, tmp_path: Path, bin_folder: Path
) -> None:
    archive = tmp_path / "archive"
    for row in pq.read_table(data / "mine/test.parquet").to_pylist():
        image = archive / "test" / row["target"] / "face.jpg"
        image.parent.mkdir(parents=True)
        image.write_bytes(row["image"]["bytes"])
    sources = copy / "data_prep" / "sources"
    (sources / "mine.py").write_text(READER, encoding="utf-8")
    change(
        sources / "archives.py", "import affectnet, ferplus, ", "import affectnet, mine, ferplus, "
    )
    change(sources / "archives.py", "READERS = (", "READERS = (mine, ")
    out = tmp_path / "benchmark"
    for command in (["ferbench", "--mine", archive, "--out", out], ["verify", out]):
        run_command([bin_folder / "unifer-data", *command], env=environment(copy))
    assert pq.read_table(out / "mine/test.parquet", columns=["id"]).num_rows == 3


def test_a_metric_is_scored_and_shown(copy: Path, predictions: Path, bin_folder: Path) -> None:
    command = bin_folder / "ferbench"
    scored = run_command([command, "score", predictions], env=environment(copy))
    assert "errors" in scored.stdout.splitlines()[0]
    out = copy / "report"
    run_command([command, "report", predictions, "--out", out], env=environment(copy))
    (run,) = json.loads((out / "scores.json").read_text())["runs"]
    mine = run["strict"]["datasets"]["mine"]
    assert mine["error_rate"] == pytest.approx(1 / 3)
    low, high = mine["intervals"]["error_rate"]
    assert 0 <= low < 1 / 3 < high <= 1
    assert "| errors |" in (out / "leaderboard.md").read_text()
    assert "error_rate_low" in (out / "leaderboard.csv").read_text()
    assert '<button type="button">errors<' in (out / "index.html").read_text()


def printed(copy: Path, code: str) -> str:
    done = run_command([sys.executable, "-c", code], env=environment(copy), cwd=copy)
    return done.stdout.strip()


def test_a_term_of_a_reward_is_weighed_logged_and_checked(copy: Path) -> None:
    (copy / "unifer_rewards/terms/exclamation.py").write_text(TERM, encoding="utf-8")
    presets = copy / "unifer_rewards/presets.py"
    before = "from unifer_rewards.terms.upstream import"
    change(presets, before, f"from unifer_rewards.terms.exclamation import exclamation\n{before}")
    row = '"repetition": lambda'
    change(presets, row, f'"exclamation": lambda response, _: exclamation(response.text), {row}')
    scored = printed(
        copy,
        "from unifer_rewards.fer import compute_score as score\n"
        "response = '<think>A smile!</think><answer>happiness</answer>'\n"
        "paid = score('rafdb', response, 'happiness', weights={'exclamation': 0.5})\n"
        "logged = score('rafdb', response, 'happiness', logged='all')\n"
        "print(paid['score'], paid['exclamation'], logged['score'], logged['exclamation'])",
    )
    assert scored == "1.5 1.0 1.0 1.0"


def test_a_phrase_is_a_cue(copy: Path) -> None:
    lexicon = copy / "unifer_tasks/rationale/lexicon.toml"
    change(lexicon, "smirking = [", 'smirking = ["smirky", ')
    read = printed(
        copy,
        "from unifer_tasks.rationale.reasoning import read_rationale\n"
        "print([cue.units for cue in read_rationale('A smirky mouth.').cues])",
    )
    assert read == "[(12, 14)]"
