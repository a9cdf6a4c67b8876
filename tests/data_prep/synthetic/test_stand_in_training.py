"""`unifer-data drawn --train`: SFT and GRPO rows about synthetic faces."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, cast

import pyarrow.parquet as pq
import pytest
from PIL import Image

from data_prep.cli.main import main
from data_prep.sources.counts import official_counts
from data_prep.sources.samples import Split
from data_prep.support.output import Output
from data_prep.synthetic.faces import ActionUnits
from data_prep.synthetic.faces.rationale import rationale
from data_prep.synthetic.stand_in_training import Labels, Recipe, build_training, choose
from unifer_rewards.preflight import validate
from unifer_tasks.data.manifest import sha256
from unifer_tasks.protocol.action_units import AU_SIGNS
from unifer_tasks.protocol.answers.strict import read_answer
from unifer_tasks.protocol.answers.tags import has_valid_format
from unifer_tasks.protocol.labels import WITH_FILES
from unifer_tasks.rationale.reasoning import read_rationale


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--valid", "4"], "--valid is for training faces; give --train N too, or leave it out"),
        (["--untagged", "0.5"], "--untagged is for training faces; give --train N too"),
        (["--labels", "sqrt", "--like-ferbench"], "--labels is for training faces; give --train"),
        (["--train", "8", "--bias", "0.5"], "--bias weakens faces of a benchmark, and --train"),
    ],
)
def test_an_option_that_would_change_nothing_is_refused(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["drawn", "--out", str(tmp_path / "out"), *options]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def rows(folder: Path, part: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(folder / f"{part}-00000.parquet").to_pylist()
    return found


def files(folder: Path) -> dict[str, str]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): sha256(path) for path in paths}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("training") / "out"
    build_training(Output(out, jobs=2), Recipe(24, valid=8))
    return out


@pytest.mark.parametrize("unit", AU_SIGNS)
def test_every_sign_reads_back_as_its_unit(unit: int) -> None:
    (cue,) = read_rationale(rationale(ActionUnits({unit: 0.9}))).cues
    assert (cue.units, cue.present, cue.side) == ((unit,), True, None)


def test_a_rationale_names_what_can_be_seen() -> None:
    assert rationale(ActionUnits({})) == "The face is relaxed."
    assert rationale(ActionUnits({4: 0.2})) == "The face is relaxed."
    both = ActionUnits({15: 0.8, 1: 0.5, 4: 0.1})
    assert rationale(both) == "Inner brows raised, lip corners pulled down."
    left = ActionUnits({12: 0.8, 4: 0.5}, side="left")
    assert rationale(left) == "Brows lowered, lip corners pulled up on one side."


def test_labels_are_uniform_or_as_rare_as_in_the_official_splits_or_between() -> None:
    n = 2000 * len(WITH_FILES)
    uniform = Counter(choose(n, "uniform", 0))
    for dataset, space in WITH_FILES.items():
        drawn = [uniform[dataset, label] for label in space.labels]
        assert max(drawn) < 2 * min(drawn)
    counts = official_counts("affectnet", Split.TRAIN)
    for labels, power in (("official", 1.0), ("sqrt", 0.5)):
        drawn_as = Counter(choose(n, cast(Labels, labels), 0))
        weights = {label: count**power for label, count in counts.items()}
        for label, weight in weights.items():
            share = drawn_as["affectnet", label] / 2000
            assert share == pytest.approx(weight / sum(weights.values()), abs=0.04)
        by_dataset = Counter(dataset for dataset, _ in drawn_as.elements())
        assert by_dataset == dict.fromkeys(WITH_FILES, 2000)


def test_sft_rows_answer_the_question_in_form(drawn: Path) -> None:
    found = rows(drawn / "cot", "train")
    assert len(found) == 24
    for row in found:
        user, assistant = row["messages"]
        assert (user["role"], assistant["role"]) == ("user", "assistant")
        assert user["content"].count("<image>") == len(row["images"]) == 1
        assert has_valid_format(assistant["content"])
        answer = read_answer(assistant["content"], row["data_source"])
        assert answer.label == row["extra_info"]["label"]
        assert Image.open(row["images"][0]["image"]).size[0] in {48, 100, 143, 224, 256}


def test_a_share_of_the_answers_has_no_tags(tmp_path: Path) -> None:
    build_training(Output(tmp_path / "rows", jobs=1), Recipe(60, untagged=0.5, valid=8))
    for part, low, high in (("train", 15, 45), ("valid", 0, 0)):
        rows = pq.read_table(tmp_path / "rows" / "cot" / f"{part}-00000.parquet").to_pylist()
        untagged = [row for row in rows if "<answer>" not in row["messages"][1]["content"]]
        assert low <= len(untagged) <= high
        for row in untagged:
            sentence = f"The expression is {row['extra_info']['label']}."
            assert row["messages"][1]["content"].endswith(sentence)


def test_grpo_rows_are_rewarded(drawn: Path) -> None:
    for part, n in (("train", 24), ("valid", 8)):
        assert validate(rows(drawn / "rlvr", part), preset="unifer") == n


def test_training_and_validation_faces_differ(drawn: Path) -> None:
    images = {
        part: {sha256(Path(row["images"][0]["image"])) for row in rows(drawn / "cot", part)}
        for part in ("train", "valid")
    }
    assert len(images["train"] | images["valid"]) == 32


def test_a_second_run_keeps_the_images_and_gives_the_same_bytes(drawn: Path) -> None:
    before = files(drawn)
    one_image = next((drawn / "images").rglob("*.png"))
    one_image.unlink()
    kept = next((drawn / "images").rglob("*.jpg"))
    written = kept.stat().st_mtime_ns
    build_training(Output(drawn, jobs=1), Recipe(24, valid=8))
    assert files(drawn) == before
    assert kept.stat().st_mtime_ns == written


def test_another_set_is_not_mixed_in(drawn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(drawn)
    assert main(["drawn", "--train", "30", "--out", str(drawn)]) == 1
    assert "holds another build" in capsys.readouterr().err
    assert files(drawn) == before
