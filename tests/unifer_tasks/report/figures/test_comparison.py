from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unifer_tasks.report.conftest import assessed
from tests.unifer_tasks.report.on_disk import answers, write_logs, write_predictions
from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.report.figures.assessment import Assessment
from unifer_tasks.report.figures.comparison import (
    ComparisonError,
    compare,
    flips,
    report_pairs,
    why_not,
)
from unifer_tasks.scoring import summary
from unifer_tasks.scoring.paired import PairedCounts, difference_interval, holm, mcnemar


@pytest.fixture
def two(tmp_path: Path) -> tuple[Assessment, Assessment]:
    """2 of 3 right against 1 of 3, but for one question that each lacks."""
    a = {"sfew": answers("sfew"), "rafdb": answers("rafdb")}
    b = {"sfew": answers("sfew", right=1, wrong=2), "rafdb": answers("rafdb")}
    del a["sfew"]["sad-0"], b["rafdb"]["fear-0"], b["rafdb"]["fear-1"]
    first, second = assessed(
        write_predictions(tmp_path / "a.jsonl", a), write_predictions(tmp_path / "b.jsonl", b)
    )
    return first, second


def test_pairs_are_counted_on_shared_questions(two: tuple[Assessment, Assessment]) -> None:
    (found,) = compare([two])
    # SFEW: each label has one question both have right, one that only a has, one that neither.
    sfew = PairedCounts(both=6, only_a=7, only_b=0, neither=7)
    rafdb = PairedCounts(both=12, only_a=0, only_b=0, neither=7)
    assert found.datasets["sfew"].counts == sfew
    assert found.datasets["rafdb"].counts == rafdb
    assert found.pooled.counts == sfew + rafdb
    assert (found.only_in_a, found.only_in_b) == (2, 1)
    assert (found.pooled.a, found.pooled.b) == pytest.approx((25 / 39, 18 / 39))
    assert found.pooled.interval == difference_interval(sfew + rafdb)
    tests = [found.pooled, found.datasets["rafdb"], found.datasets["sfew"]]
    assert [part.p for part in tests] == [mcnemar(part.counts) for part in tests]
    assert [part.p_holm for part in tests] == holm([part.p for part in tests])


def test_the_pool_is_of_the_benchmarks_datasets(
    two: tuple[Assessment, Assessment], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another dataset is compared beside them; `ferbench score` pools the same."""
    monkeypatch.setattr(summary, "FERBENCH", {"sfew": LABEL_SPACES["sfew"]})
    (found,) = compare([two])
    assert found.datasets.keys() == {"rafdb", "sfew"}
    assert found.pooled.counts == found.datasets["sfew"].counts
    assert (found.only_in_a, found.only_in_b) == (2, 1)
    monkeypatch.setattr(summary, "FERBENCH", {})
    assert compare([two])[0].pooled.counts.n == 39


def test_the_flips_are_the_questions_that_count(two: tuple[Assessment, Assessment]) -> None:
    found = list(flips(*two))
    assert len(found) == 7
    assert all(a.label == a.prediction.target != b.label for a, b in found)
    assert [(b, a) for a, b in flips(*reversed(two))] == found


def test_the_correction_runs_over_all_pairs(two: tuple[Assessment, Assessment]) -> None:
    a, b = two
    one, both = compare([two]), compare([two, (b, a)])
    assert both[0].pooled.p_holm == min(1.0, 2 * one[0].pooled.p_holm)
    assert both[1].pooled.difference == -both[0].pooled.difference


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("stand-in", "a saw synthetic faces and b the benchmark's images"),
        ("labels", "disagree on the true label of 1 question, such as sfew 'angry-0'"),
        ("other", "share no question"),
    ],
)
def test_what_cannot_be_compared_is_refused(tmp_path: Path, change: str, message: str) -> None:
    tasks = {"ferbench_sfew": answers("sfew")}
    a = write_logs(tmp_path / "a", tasks, model="a", stand_in=change == "stand-in")
    b = write_logs(tmp_path / "b", tasks, model="b")
    (log,) = b.glob("*.jsonl")
    if change == "labels":
        log.write_text(log.read_text().replace('"gold": "angry"', '"gold": "sad"', 1))
    if change == "other":
        log.write_text(log.read_text().replace('"id": "', '"id": "x'))
    pair = assessed(a, b)
    with pytest.raises(ComparisonError, match=message):
        compare([(pair[0], pair[1])])
    assert report_pairs(pair) == []


def test_a_report_pairs_bases_and_each_variant_with_its_base(
    assessments: list[Assessment],
) -> None:
    found = [(a.run.title, b.run.title) for a, b in report_pairs(assessments)]
    model = assessments[0].run.name
    variants = ["direct", "shuffled_0", "shuffled_1", "shuffled_2", "shuffled_3"]
    assert found == [*((model, f"{model} ({v})") for v in variants), (model, "other")]


def test_faces_of_unknown_kind_may_be_compared(two: tuple[Assessment, Assessment]) -> None:
    a, b = two
    assert why_not(replace(a, run=replace(a.run, stand_in=True)), b) is None
