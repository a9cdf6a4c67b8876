"""FERBench as a custom dataset of VLMEvalKit."""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from data_prep.cli.main import main
from data_prep.outputs import vlmevalkit
from data_prep.outputs.vlmevalkit import NAMES, Form, export
from data_prep.support.output import Output
from tests.conftest import run_command
from unifer_tasks.protocol.images import protocol_image
from unifer_tasks.protocol.labels import FERBENCH
from unifer_tasks.protocol.prompts import STEM, question

Save = Callable[[list[dict[str, str]], Path], None]


def source_rows(root: Path) -> list[dict[str, Any]]:
    return [
        row
        for dataset in FERBENCH
        for row in pq.read_table(root / dataset / "test.parquet").to_pylist()
    ]


def table(path: Path) -> list[dict[str, str]]:
    csv.field_size_limit(10**8)
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def pixels(row: dict[str, str]) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(row["image"])))


@pytest.fixture(scope="module")
def exported(stand_in: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("lmu")
    for form in Form:
        export(stand_in, Output(out, jobs=1), form)
    return out


def test_every_question_is_a_row_with_lettered_options(exported: Path, stand_in: Path) -> None:
    rows = table(exported / "FERBench.tsv")
    for number, (row, source) in enumerate(zip(rows, source_rows(stand_in), strict=True)):
        assert (row["index"], row["id"]) == (str(number), source["id"])
        assert row["question"] == STEM
        options = [row[letter] for letter in "ABCDEFGH" if row[letter]]
        assert options == source["candidate_labels"]
        assert row[row["answer"]] == source["target"]


def test_an_open_question_is_ferbenchs_own(exported: Path, stand_in: Path) -> None:
    rows = table(exported / "FERBench_openended.tsv")
    for row, source in zip(rows, source_rows(stand_in), strict=True):
        assert not {"A", "B"} & row.keys()
        assert row["question"] == question(source["candidate_labels"])
        assert row["answer"] == source["target"]


def test_images_are_the_protocols_pixels(exported: Path, stand_in: Path) -> None:
    for row, source in zip(table(exported / "FERBench.tsv"), source_rows(stand_in), strict=True):
        expected = protocol_image(Image.open(io.BytesIO(source["image"]["bytes"])))
        assert np.array_equal(np.asarray(pixels(row)), np.asarray(expected))


@pytest.mark.parametrize("form", Form)
def test_the_card_forbids_to_pass_it_on_and_shows_the_command(exported: Path, form: Form) -> None:
    text = (exported / f"{NAMES[form]}.README.md").read_text()
    assert "Do not pass this folder on" in text
    assert "STAND-IN faces, 60 of 11,072 questions" in text
    assert f"-m vlmeval --data {NAMES[form]} --model MODEL" in text


def as_workbook(rows: list[dict[str, str]], path: Path) -> None:
    pd.DataFrame(rows).to_excel(path, index=False)


def as_tsv(rows: list[dict[str, str]], path: Path) -> None:
    pd.DataFrame(rows).to_csv(path, sep="\t", index=False, quoting=csv.QUOTE_ALL)


def as_json(rows: list[dict[str, str]], path: Path) -> None:
    pd.DataFrame(rows).to_json(path, orient="records", indent=4, force_ascii=False)


@pytest.mark.parametrize(
    ("suffix", "save"), [("xlsx", as_workbook), ("tsv", as_tsv), ("json", as_json)]
)
def test_predictions_of_an_open_run_can_be_scored_as_the_card_says(
    exported: Path, bin_folder: Path, tmp_path: Path, suffix: str, save: Save
) -> None:
    rows = table(exported / "FERBench_openended.tsv")
    for row in rows:
        del row["image"]
        row["prediction"] = f"<answer>{row['answer']}</answer>"
    rows[0]["prediction"] = "Failed to obtain answer via API."
    rows[1]["prediction"] = f"=<think>\n1,2\t</think><answer>{rows[1]['answer']}</answer>"
    folder = tmp_path / "outputs" / "MODEL" / "T20260101_G0123abcd"
    folder.mkdir(parents=True)
    save(rows, folder / f"MODEL_FERBench_openended.{suffix}")
    card = (exported / "FERBench_openended.README.md").read_text()
    (command,) = re.findall(r"^ferbench (score .*)\.json$", card, re.MULTILINE)
    done = run_command(["bash", "-c", f"{bin_folder}/ferbench {command}.{suffix}"], cwd=tmp_path)
    assert "1 request-failed" in done.stderr
    assert "0.9833" in done.stdout


def test_the_bytes_do_not_depend_on_the_processes(exported: Path, stand_in: Path) -> None:
    for jobs in (1, 2):
        written = export(stand_in, Output(exported / str(jobs), jobs))
        assert written.table.read_bytes() == (exported / "FERBench.tsv").read_bytes()


def test_what_vlmevalkit_kept_of_another_table_is_not_shown_for_this_one(
    stand_in: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "images" / "FERBench").mkdir(parents=True)
    command = ["export", "vlmevalkit", str(stand_in), "--out", str(tmp_path), "--jobs", "1"]
    assert main(command) == 1
    assert "remove it and export again" in capsys.readouterr().err
    assert not (tmp_path / "FERBench.tsv").exists()
    assert main([*command, "--form", "open"]) == 0


def test_a_failure_leaves_no_half_table(
    stand_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(encoded: bytes) -> str:
        raise OSError("no space left")

    monkeypatch.setattr(vlmevalkit, "_image", fail)
    command = ["export", "vlmevalkit", str(stand_in), "--out", str(tmp_path), "--jobs", "1"]
    assert main(command) == 1
    assert not list(tmp_path.glob("*.tsv"))


def test_a_folder_that_is_no_benchmark_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "vlmevalkit", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "manifest.json is missing" in capsys.readouterr().err


_LOAD = """
import json, sys
from vlmeval.dataset import DATASET_TYPE, build_dataset
name = sys.argv[1]
loaded = build_dataset(name)
parts = loaded.build_prompt(0)
print(json.dumps([
    type(loaded).__name__, DATASET_TYPE(name), len(loaded), [part["type"] for part in parts],
    parts[0]["value"], parts[1]["value"],
]))
"""


@pytest.fixture(scope="session")
def vlmeval_python() -> str:
    """Return a Python with VLMEvalKit, whose requirements are too many for this environment."""
    python = os.environ.get("VLMEVAL_PYTHON", sys.executable)
    probe = [python, "-c", "import importlib.util as u, sys; sys.exit(not u.find_spec('vlmeval'))"]
    if subprocess.run(probe).returncode:
        pytest.skip("VLMEVAL_PYTHON names no Python that has ms-vlmeval")
    return python


@pytest.mark.parametrize(
    ("form", "kind", "asked"),
    [(Form.CHOICE, "CustomMCQDataset", "MCQ"), (Form.OPEN, "CustomVQADataset", "VQA")],
)
def test_vlmevalkits_own_loader_reads_it(
    vlmeval_python: str, stand_in: Path, tmp_path: Path, form: Form, kind: str, asked: str
) -> None:
    export(stand_in, Output(tmp_path, jobs=1), form)
    env = {"LMUData": str(tmp_path)}
    done = run_command([vlmeval_python, "-c", _LOAD, NAMES[form]], env=env)
    name, task, n, parts, image, text = json.loads(done.stdout.splitlines()[-1])
    assert (name, task, n, parts) == (kind, asked, 60, ["image", "text"])
    first = source_rows(stand_in)[0]
    shown = protocol_image(Image.open(io.BytesIO(first["image"]["bytes"])))
    assert np.array_equal(np.asarray(Image.open(image)), np.asarray(shown))
    if form is Form.OPEN:
        assert text == question(first["candidate_labels"])
    else:
        assert STEM in text
        assert f"A. {first['candidate_labels'][0]}\n" in text
        assert "H. " not in text
