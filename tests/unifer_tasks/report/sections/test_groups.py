"""The section on groups: a bias is shown, and what does not belong to the run is not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from data_prep.outputs.benchmark_folder import Row, open_build, write_dataset
from data_prep.support.output import Output
from data_prep.synthetic.stand_in import build
from tests.unifer_tasks.report.page.made_up import always, run
from unifer_tasks.data.annotations import Annotations
from unifer_tasks.data.manifest import DataError, Manifest
from unifer_tasks.data.predictions import Prediction
from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.report.build import contents
from unifer_tasks.report.figures.assessment import Assessment, assess
from unifer_tasks.report.figures.tables import Percent, Points, PValue
from unifer_tasks.report.renderers.markdown import as_markdown
from unifer_tasks.report.renderers.scores import scores_document
from unifer_tasks.report.sections.groups import section
from unifer_tasks.report.sources.annotated import annotations_of, read_annotated, unlike

LABELS = LABEL_SPACES["rafdb"].labels
N = 600


def noted(number: int) -> Annotations:
    gender = "unsure" if number % 12 == 0 else ("male", "female")[number // 7 % 2]
    age = "70+" if number < 20 else "20-39"
    return Annotations(gender=gender, age_group=age) if number else Annotations()


def biased(bias: float, n: int = N) -> Assessment:
    """Return a model that is right in 80 % of all questions, and less often for women."""
    random = np.random.default_rng(1)
    rows, annotations = [], {}
    for number in range(n):
        target, of = LABELS[number % 7], noted(number)
        chance = 0.8 - bias * (of.gender == "female")
        label = target if random.random() < chance else LABELS[(number + 1) % 7]
        rows.append(Prediction("rafdb", str(number), target, label=label))
        annotations[str(number)] = of
    return assess(run("Model", [*rows, *always("sadness", 7, ["sfew"])]), {"rafdb": annotations})


@pytest.mark.parametrize(("bias", "is_found"), [(0.25, True), (0.0, False)])
def test_a_planted_bias_is_shown(bias: float, is_found: bool) -> None:
    one = biased(bias)
    found = section([one])
    assert found is not None
    assert ("female is" in found.text) is is_found
    assert ("Chance alone explains every gap" in found.text) is not is_found
    rows = {row[1]: row[2:] for row in found.table.rows}
    assert {str(name).partition(":")[0] for name in rows} == {"gender", "age group"}
    n, labels, war, uar, excess, *_ = rows["gender: female"]
    assert (n, labels) == (278, 7)
    assert isinstance(war, Percent)
    assert isinstance(uar, Percent)
    assert isinstance(excess, Points)
    *_, gap, p, p_holm = rows["gender: gap"]
    assert isinstance(gap, Points)
    assert isinstance(p, PValue)
    assert isinstance(p_holm, PValue)
    assert (p_holm.value < 0.01) is is_found
    assert (gap.low > 0.1) is is_found


def test_groups_that_are_too_small_show_no_gap() -> None:
    found = section([biased(0.25, n=50)])
    assert found is not None
    assert found.text.startswith("No gap is shown: no attribute has two groups of 30 questions or")
    assert all(row[4:] == (None,) * 5 for row in found.table.rows if row[1] == "gender: female")
    assert not any(": gap" in str(row[1]) for row in found.table.rows)


def test_a_bias_of_synthetic_faces_is_found(tmp_path: Path) -> None:
    targets = {"rafdb": [(f"drawn/{number}", LABELS[number % 7]) for number in range(98)]}
    build(Output(tmp_path, jobs=1), targets, seed=0, recipe={}, bias=1.0)
    data = read_annotated(tmp_path, [run("Model", always("sadness", 7, ["rafdb"]))])
    random = np.random.default_rng(0)
    rows = []
    for id_, target in targets["rafdb"]:
        # A model that reads a face the better the stronger its expression is.
        strength = data.questions["rafdb"][id_].intensity
        is_right = random.random() < 0.2 + 0.7 * (1.0 if strength is None else strength)
        rows.append(Prediction("rafdb", id_, target, label=target if is_right else ""))
    one = run("Model", rows, stand_in=True)
    found = section([assess(one, annotations_of(one, data))])
    assert found is not None
    assert "gender: female is" in found.text
    assert "; " not in found.text.partition(". ")[0]


def test_what_is_not_compared_is_counted() -> None:
    found = section([biased(0.0)])
    assert found is not None
    rows = {row[1]: row[2:] for row in found.table.rows}
    n, labels, war, _, excess, *_ = rows["gender: unsure"]
    assert (n, labels, excess) == (49, 7, None)
    assert isinstance(war, Percent)
    assert rows["age group: 70+"] == (19, 7, *[None] * 5)
    assert rows["age group: 0-3"] == (0, 0, *[None] * 5)
    assert rows["gender: not annotated"] == (1, *[None] * 6)
    assert "age group: gap" not in rows


def test_it_is_in_the_report() -> None:
    one = biased(0.25)
    text = as_markdown(contents([one]))
    assert "## Groups\n" in text
    assert "| Model | gender: female | 278 | 7 |" in text
    figures = scores_document(contents([one]))["groups"]["Model"]["gender"]
    assert figures["gaps"]["excess"]["worst"] == "female"
    assert figures["unknown"] == 1
    assert [group["name"] for group in figures["groups"]] == ["male", "female", "unsure"]


@pytest.mark.parametrize(
    ("dataset", "annotations"),
    [("rafdb", {}), ("sfew", {"sfew": {}}), ("rafdb", {"rafdb": {"1": Annotations(votes=(1,))}})],
)
def test_without_attributes_there_is_no_section(
    dataset: str, annotations: Mapping[str, Mapping[str, Annotations]]
) -> None:
    one = assess(run("Model", always("sadness", 7, [dataset])), annotations)
    assert section([one]) is None


def write(folder: Path, *, stand_in: bool, columns: tuple[str, ...]) -> Path:
    manifest = open_build(folder, Manifest("somewhere", stand_in, {}, {}))
    rows = [Row(row.id, b"-", row.target, noted(1)) for row in always("sadness", 7, ["rafdb"])]
    write_dataset(folder, manifest, "rafdb", rows, columns)
    return folder


@pytest.mark.parametrize(
    ("drawn_data", "drawn_run", "sha256", "belong"),
    [
        (False, False, None, True),
        (False, False, "other", True),  # a photograph's id says which it is
        (False, None, None, True),
        (False, True, None, False),
        (True, True, None, True),
        (True, True, "same", True),
        (True, True, "other", False),
        (True, None, None, False),
        (True, False, None, False),
    ],
)
def test_annotations_are_of_the_faces_that_were_seen(
    tmp_path: Path, drawn_data: bool, drawn_run: bool | None, sha256: str | None, belong: bool
) -> None:
    folder = write(tmp_path / "mine", stand_in=drawn_data, columns=("gender",))
    one = run("Model", always("sadness", 7), stand_in=drawn_run)
    data = read_annotated(folder, [one])
    if sha256:
        digest = data.sha256["rafdb"] if sha256 == "same" else "0" * 64
        one.provenance["data rafdb"] = digest  # type: ignore[index]
    found = annotations_of(one, data)
    assert [each.gender for each in found.get("rafdb", {}).values()] == ["male"] * 7 * belong
    others = unlike([one, run("Of SFEW", always("sadness", 7, ["sfew"]))], data)
    assert len(others) == (not belong)
    assert all("not shown for Model: mine does not hold the faces" in text for text in others)


@pytest.mark.parametrize(
    ("columns", "answered"), [(("intensity",), "rafdb"), (("gender",), "sfew"), ((), "rafdb")]
)
def test_only_what_a_report_shows_is_read(
    tmp_path: Path, columns: tuple[str, ...], answered: str
) -> None:
    folder = write(tmp_path / "mine", stand_in=True, columns=columns)
    (folder / "rafdb/test.parquet").write_bytes(b"damaged")
    assert read_annotated(folder, [run("Model", always("sadness", 7, [answered]))]).questions == {}


def test_damaged_data_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "mine", stand_in=True, columns=("gender",))
    (folder / "rafdb/test.parquet").write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"rafdb/test\.parquet is damaged.*build .* again"):
        read_annotated(folder, [run("Model", always("sadness", 7))])
