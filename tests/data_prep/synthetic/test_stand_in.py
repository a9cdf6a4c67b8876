"""`unifer-data drawn`: a benchmark folder from nothing."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from data_prep.cli.main import main
from data_prep.support.output import Output
from data_prep.synthetic.annotators import columns_of
from data_prep.synthetic.stand_in import build, targets_of_counts
from tests.conftest import run_command
from tests.machine import kill_when
from unifer_tasks.data.manifest import read_manifest, sha256
from unifer_tasks.protocol.labels import WITH_FILES

TWO_EACH = {
    dataset: [(f"{dataset}/{i}", label) for i, label in enumerate(space.labels)]
    for dataset, space in WITH_FILES.items()
}


def files(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): sha256(path) for path in folder.rglob("*") if path.is_file()
    }


def test_counts_are_the_benchmarks_or_equal() -> None:
    for dataset, questions in targets_of_counts(None, seed=0).items():
        counts = Counter(label for _, label in questions)
        assert counts == WITH_FILES[dataset].test_counts
        assert len({name for name, _ in questions}) == len(questions)
    for dataset, questions in targets_of_counts(3, seed=0).items():
        counts = Counter(label for _, label in questions)
        assert counts == dict.fromkeys(WITH_FILES[dataset].labels, 3)


def test_the_first_questions_meet_several_labels() -> None:
    for questions in targets_of_counts(None, seed=0).values():
        assert len({label for _, label in questions[:20]}) >= 4


def test_rows_have_the_benchmarks_layout(stand_in: Path) -> None:
    manifest = read_manifest(stand_in)
    assert manifest.stand_in
    for dataset, space in WITH_FILES.items():
        table = pq.read_table(stand_in / dataset / "test.parquet")
        own = ["id", "image", "target", "candidate_labels", "dataset"]
        assert table.column_names == [*own, *columns_of(dataset)]
        rows = table.to_pylist()
        assert Counter(row["target"] for row in rows) == dict.fromkeys(space.labels, 2)
        assert {tuple(row["candidate_labels"]) for row in rows} == {space.labels}
        assert {row["dataset"] for row in rows} == {dataset}
        assert manifest.datasets[dataset].sha256 == sha256(stand_in / dataset / "test.parquet")
        for row in rows:
            image = Image.open(io.BytesIO(row["image"]["bytes"]))
            assert image.mode == ("L" if dataset == "ferplus" else "RGB")


def test_datasets_reads_it_with_its_images(stand_in: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    loaded = datasets.load_dataset(
        "parquet",
        data_files={"test": str(stand_in / "sfew" / "test.parquet")},
        cache_dir=str(tmp_path),
    )["test"]
    assert isinstance(loaded.features["image"], datasets.Image)
    assert loaded[0]["image"].size == (143, 181)
    assert loaded[0]["candidate_labels"] == list(WITH_FILES["sfew"].labels)


def test_bytes_depend_on_the_seed_and_not_on_the_processes(tmp_path: Path) -> None:
    for name, seed, jobs in [("one", 5, 1), ("two", 5, 2), ("other", 6, 2)]:
        build(Output(tmp_path / name, jobs), TWO_EACH, seed=seed, recipe={})
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert files(tmp_path / "one") != files(tmp_path / "other")


def test_the_index_gives_ids_and_labels(tmp_path: Path, index_folder: Path) -> None:
    from data_prep.sources.index import read_index
    from data_prep.synthetic.stand_in import targets_of_index

    targets = targets_of_index(read_index(index_folder))
    assert sum(map(len, targets.values())) == 11_072
    first = json.loads((index_folder / "rafdb_qa.json").read_text())[0]
    assert targets["rafdb"][0] == (first["image_path"], first["true_label"])


def test_killed_at_any_moment_it_resumes_and_ends_with_the_same_bytes(
    tmp_path: Path, bin_folder: Path
) -> None:
    command: list[str | Path]
    command = [bin_folder / "unifer-data", "drawn", "--per-class", "6", "--jobs", "2", "--out"]
    run_command([*command, tmp_path / "whole"])
    out = tmp_path / "killed"
    for dataset in ("rafdb", "affectnet"):
        kill_when((out / dataset).exists, [*command, out])
        assert all(
            sha256(out / file.path) == file.sha256 for file in read_manifest(out).datasets.values()
        )
    run_command([*command, out])
    assert files(out) == files(tmp_path / "whole")


def test_a_second_run_keeps_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["drawn", "--per-class", "1", "--jobs", "1", "--out", str(tmp_path / "data")]
    assert main(command) == 0
    written = (tmp_path / "data" / "sfew" / "test.parquet").stat().st_mtime_ns
    assert main(command) == 0
    assert (tmp_path / "data" / "sfew" / "test.parquet").stat().st_mtime_ns == written
    assert "synthetic faces" in capsys.readouterr().out


@pytest.mark.parametrize("other", [["--per-class", "2"], ["--per-class", "1", "--seed", "1"]])
def test_another_build_is_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], other: list[str]
) -> None:
    out = ["--jobs", "1", "--out", str(tmp_path / "data")]
    assert main(["drawn", "--per-class", "1", *out]) == 0
    before = files(tmp_path / "data")
    assert main(["drawn", *other, *out]) == 1
    assert "holds another build" in capsys.readouterr().err
    assert files(tmp_path / "data") == before


def test_a_folder_of_something_else_is_not_touched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.tex").write_text("dear")
    assert main(["drawn", "--out", str(tmp_path)]) == 1
    assert "is not a benchmark folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("value", ["0", "-1", "x", "1.5"])
def test_a_bad_number_is_a_usage_error(value: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["drawn", "--out", "x", "--per-class", value])
    assert caught.value.code == 2
