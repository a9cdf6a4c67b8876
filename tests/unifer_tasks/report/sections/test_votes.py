"""The section on votes: planted agreement is shown, and what is left out is counted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_prep.synthetic.annotators import draw_votes
from tests.unifer_tasks.report.page.made_up import run
from unifer_tasks.cli.main import main
from unifer_tasks.data.annotations import Annotations
from unifer_tasks.data.manifest import read_manifest, sha256, write_manifest
from unifer_tasks.data.predictions import Prediction
from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.protocol.prompts import response
from unifer_tasks.protocol.variants.listed import BASE, VARIANTS, Variant
from unifer_tasks.protocol.variants.ranking import write_ranking
from unifer_tasks.report.build import contents
from unifer_tasks.report.figures.assessment import Assessment, assess
from unifer_tasks.report.figures.tables import Percent, Points, Section, Table
from unifer_tasks.report.renderers.markdown import as_markdown
from unifer_tasks.report.sections.votes import section
from unifer_tasks.report.sources.runs import Run
from unifer_tasks.scoring.votes import KS, VoteScores

LABELS = LABEL_SPACES["ferplus"].labels
Votes = Mapping[str, int]


def voted(n: int, intensity: float = 0.7) -> Mapping[str, tuple[str, Votes]]:
    """Question id -> target and votes of a synthetic face."""
    rows = {}
    for number in range(n):
        target = LABELS[number % len(LABELS)]
        votes, _ = draw_votes("ferplus", target, intensity, [number])
        rows[f"{number}"] = (target, dict(zip(LABELS, votes, strict=True)))
    return rows


def told(rows: Mapping[str, tuple[str, Votes]]) -> Mapping[str, Mapping[str, Annotations]]:
    questions = {id_: Annotations(tuple(votes.values())) for id_, (_, votes) in rows.items()}
    return {"ferplus": questions}


def answered(
    rows: Mapping[str, tuple[str, Votes]],
    answer: Callable[[str, Votes], str],
    name: str = "Model",
    variant: Variant = BASE,
) -> Run:
    predictions = [
        Prediction("ferplus", id_, target, response("Hm.", answer(target, votes)))
        for id_, (target, votes) in rows.items()
    ]
    return run(name, predictions, variant=variant)


def right(target: str, votes: Votes) -> str:
    return target


def runner_up(target: str, votes: Votes) -> str:
    return max((label for label in votes if label != target), key=votes.__getitem__)


def stranger(target: str, votes: Votes) -> str:
    return min((label for label in votes if label != target), key=votes.__getitem__)


def cells(found: Section | None, row: int = 0) -> dict[str, Any]:
    assert found is not None
    return named(found.table, row)


def distances(found: Section | None, row: int = 0) -> dict[str, Any]:
    assert found is not None
    return named(found.more["Distance from the votes"], row)


def named(table: Table, row: int) -> dict[str, Any]:
    assert all(len(each) == len(table.columns) <= 9 for each in table.rows)
    return dict(zip(table.columns, table.rows[row], strict=True))


def by_one_or_more(cell: object) -> float:
    assert isinstance(cell, tuple)
    assert len(cell) == len(KS)
    return value(cell[0])


def value(cell: object) -> float:
    assert isinstance(cell, Percent)
    assert cell.value is not None
    return cell.value


def test_near_misses_are_told_from_strange_answers() -> None:
    rows = voted(300)
    known = told(rows)
    runs = [assess(answered(rows, each, each.__name__), known) for each in (runner_up, stranger)]
    found = section(runs)
    near, far = cells(found, 0), cells(found, 1)
    assert (near["model"], near["dataset"], near["questions"]) == ("runner_up", "FERPlus", 300)
    assert value(near["WAR"]) == value(far["WAR"]) == 0
    assert by_one_or_more(near["by 1 / 2 / 3 / 5 or more"]) > 0.9
    assert by_one_or_more(far["by 1 / 2 / 3 / 5 or more"]) < 0.1
    assert value(near["votes for the answer"]) > value(far["votes for the answer"])
    assert near["ceiling"] == far["ceiling"]
    assert isinstance(near["WAR less ceiling"], Points)
    assert found is not None
    figures = found.figures["runner_up"]
    assert isinstance(figures, dict)
    assert isinstance(figures["ferplus"], VoteScores)


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.30, "points below the ceiling of 6"),
        (0.69, "cannot be told from the ceiling of 6"),
        (1.0, "The WAR of Model, 100.0 %, is 3"),
    ],
)
def test_a_sentence_says_how_to_read_it(share: float, text: str) -> None:
    rows = voted(400, intensity=0.7)
    is_right = iter(np.random.default_rng(0).permutation(400) < share * 400)
    one = answered(rows, lambda target, _: target if next(is_right) else "no label")
    found = section([assess(one, told(rows))])
    assert found is not None
    assert text in found.text
    scores = found.figures["Model"]["ferplus"]  # type: ignore[index]
    assert scores.unreadable == 400 - share * 400


def test_a_ranking_has_a_distance() -> None:
    rows = voted(60)
    sharp = {label: 0.0 if label == "happy" else -800.0 for label in LABELS}

    def as_votes(votes: Votes) -> Mapping[str, float]:
        total = sum(votes.values())
        return {label: float(np.log(max(n / total, 1e-9))) for label, n in votes.items()}

    def ranked(name: str, ranking: Callable[[Votes], Mapping[str, float]]) -> Assessment:
        predictions = [
            Prediction("ferplus", id_, target, write_ranking(ranking(votes)))
            for id_, (target, votes) in rows.items()
        ]
        failed = Prediction("ferplus", "0", "happy", error=True)
        return assess(run(name, [*predictions[1:], failed], variant=VARIANTS["ranked"]), told(rows))

    alike, unlike = ranked("alike", as_votes), ranked("unlike", lambda _: sharp)
    base = assess(answered(rows, right), told(rows))
    found = section([base, alike, unlike])
    assert [cells(found, row)["model"] for row in range(3)] == [
        "Model", "alike (ranked)", "unlike (ranked)",
    ]  # fmt: skip
    near, far = (distances(found, row) for row in range(2))
    assert (near["model"], far["model"]) == ("alike (ranked)", "unlike (ranked)")
    assert near["questions"] == far["questions"] == 59
    assert near["distance"].value < 0.01
    assert near["cross-entropy"].value == pytest.approx(near["entropy of the votes"], abs=0.01)
    assert far["distance"].low > 0.5
    assert far["cross-entropy"].low > far["entropy of the votes"] + 10
    text = as_markdown(contents([base, alike, unlike]))
    assert "### Distance from the votes\n" in text
    assert f"| {far['distance'].value:.3f} [{far['distance'].low:.3f}, " in text


def test_repeats_have_a_distance() -> None:
    rows = {"0": ("angry", {**dict.fromkeys(LABELS, 0), "angry": 6, "fear": 4})}
    said = [*["angry"] * 6, *["fear"] * 4]
    answers = tuple(Prediction("ferplus", "0", "angry", response("Hm.", each)) for each in said)
    one = Run("Model", "m", answers[:1], repeated=(answers,))
    found = distances(section([assess(one, told(rows))]))
    assert found["questions"] == 1
    assert 0 < found["distance"].value < 0.25


@pytest.mark.parametrize(
    ("known", "text", "n"),
    [
        ({"0": None}, "Model, FERPlus: 1 question without votes left out.", 4),
        ({"0": (0,) * 8, "1": None}, "Model, FERPlus: 2 questions without votes left out.", 3),
        ({"0": "other"}, "1 question left out whose true label is not the one with the most", 4),
        (dict.fromkeys("01234", "other"), "5 questions left out whose true label is not", 0),
    ],
)
def test_what_is_left_out_is_counted(known: dict[str, Any], text: str, n: int) -> None:
    rows = voted(5)
    own: dict[str, Annotations] = dict(told(rows)["ferplus"])
    for id_, given in known.items():
        votes = tuple(rows[id_][1].values())
        own[id_] = Annotations((*votes[1:], votes[0]) if given == "other" else given)
    found = section([assess(answered(rows, right), {"ferplus": own})])
    assert found is not None
    (line,) = found.lines
    assert text in line
    assert cells(found)["questions"] == n


@pytest.mark.parametrize(
    "known",
    [None, {}, {"ferplus": {}}, {"ferplus": {"0": Annotations(gender="female")}}],
)
def test_without_votes_there_is_no_section(
    known: Mapping[str, Mapping[str, Annotations]] | None,
) -> None:
    assert section([assess(answered(voted(5), right), known)]) is None


def test_a_name_is_no_markup() -> None:
    rows = voted(5)
    one = assess(answered(rows, right, name="m_$1|<b>"), told(rows))
    assert "The WAR of m\\_\\$1\\|\\<b\\>, 100.0 %" in as_markdown(contents([one]))


def right_answers(data: Path, path: Path) -> int:
    """Write right predictions of all questions of FERPlus, and return how many."""
    table = pq.read_table(data / "ferplus" / "test.parquet", columns=["id", "target"])
    rows = [{"dataset": "ferplus", **row, "label": row["target"]} for row in table.to_pylist()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return len(rows)


def test_it_is_in_the_report_of_a_data_folder(stand_in: Path, tmp_path: Path) -> None:
    path, out = tmp_path / "gold.jsonl", tmp_path / "out"
    n = right_answers(stand_in, path)
    assert main(["report", f"Gold={path}", "--data", str(stand_in), "--out", str(out)]) == 0
    scores = json.loads((out / "scores.json").read_text())["votes"]["Gold"]["ferplus"]
    assert scores["n"] == n
    assert scores["accuracy"]["value"] == 1
    assert scores["share"]["value"] == pytest.approx(scores["best_share"])
    assert '<h2 id="votes-title">' in (out / "index.html").read_text()
    assert "## Annotators' votes\n" in (out / "leaderboard.md").read_text()


def test_votes_for_other_candidates_are_refused(
    stand_in: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    shutil.copytree(stand_in, data)
    path = data / "ferplus" / "test.parquet"
    table = pq.read_table(path)
    turned = pa.array([LABELS[::-1]] * len(table), pa.list_(pa.string()))
    place = table.column_names.index("candidate_labels")
    pq.write_table(table.set_column(place, "candidate_labels", turned), path)
    manifest = read_manifest(data)
    file = replace(manifest.datasets["ferplus"], sha256=sha256(path))
    write_manifest(data, replace(manifest, datasets={**manifest.datasets, "ferplus": file}))
    right_answers(data, tmp_path / "gold.jsonl")
    arguments = [str(tmp_path / "gold.jsonl"), "--data", str(data), "--out", str(tmp_path / "out")]
    assert main(["report", *arguments]) == 1
    assert "asks for other labels than those of ferplus" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
