"""The truth that the annotations of synthetic faces are drawn from can be found in them."""

from __future__ import annotations

from collections import Counter
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from data_prep.cli.main import main
from data_prep.synthetic.annotators import annotate, draw_attributes, draw_votes
from data_prep.synthetic.faces import sample_face
from unifer_tasks.data.annotations import (
    ANNOTATION_TYPES,
    ATTRIBUTES,
    Annotations,
    read_annotations,
)
from unifer_tasks.protocol.labels import LABEL_SPACES, canonical

N = 2000


@pytest.mark.parametrize("target", LABEL_SPACES["ferplus"].labels)
def test_votes_agree_with_the_target_as_the_expression_is_strong(target: str) -> None:
    mean = {}
    for intensity in (0.3, 1.0):
        votes = []
        for seed in range(300):
            drawn, others = draw_votes("ferplus", target, intensity, [seed])
            assert sum(drawn) + others == 10
            at_target = drawn[LABEL_SPACES["ferplus"].labels.index(target)]
            assert at_target == max(drawn)
            votes.append(at_target)
        mean[intensity] = np.mean(votes)
    assert mean[0.3] == pytest.approx(4.2, abs=0.5)
    assert mean[1.0] == pytest.approx(9.0, abs=0.3)


def test_attributes_are_drawn_by_lot() -> None:
    drawn = [draw_attributes("rafdb", [seed]) for seed in range(N)]
    for name, values in ATTRIBUTES.items():
        counts = Counter(each[name] for each in drawn)
        shares = {value: 0.05 if value == "unsure" else 1.0 for value in values}
        for value, share in shares.items():
            expected = N * share / sum(shares.values())
            assert counts[value] == pytest.approx(expected, abs=5 * expected**0.5)
    assert draw_attributes("ferplus", [0]) == {}


@pytest.mark.parametrize(
    ("dataset", "columns"),
    [
        ("rafdb", [*ATTRIBUTES, "intensity"]),
        ("ferplus", ["votes", "votes_other", "intensity"]),
        ("affectnet", ["intensity"]),
    ],
)
def test_a_face_has_the_annotations_of_its_dataset(dataset: str, columns: list[str]) -> None:
    for target in LABEL_SPACES[dataset].labels:
        units = sample_face(canonical(target), np.random.default_rng(0)).action_units
        seed = [0, 1]
        found = annotate(dataset, target, units, draw_attributes(dataset, seed), seed)
        present = dict(zip(ANNOTATION_TYPES, astuple(found), strict=True))
        assert [name for name, value in present.items() if value is not None] == [
            name for name in columns if name != "intensity" or canonical(target) != "neutral"
        ]
        assert found.intensity is None or 0.3 < found.intensity <= 1


def drawn(out: Path, *options: str) -> dict[str, Annotations]:
    run = ["drawn", "--out", str(out), "--per-class", "3", "--jobs", "1", *options]
    assert main(run) == 0
    assert main(["verify", str(out), "--jobs", "1"]) == 0
    return read_annotations(out / "rafdb/test.parquet")


def test_a_bias_weakens_the_faces_of_one_group_and_no_other(tmp_path: Path) -> None:
    fair = drawn(tmp_path / "fair")
    biased = drawn(tmp_path / "biased", "--bias", "0.5")
    images = {}
    for name in ("fair", "biased"):
        rows = pq.read_table(tmp_path / name / "rafdb/test.parquet", columns=["id", "image"])
        images[name] = {row["id"]: row["image"] for row in rows.to_pylist()}
    genders = Counter(each.gender for each in fair.values())
    assert min(genders["female"], genders["male"]) > 3
    for key, one in fair.items():
        other = biased[key]
        is_same = one.gender != "female"
        assert (one.gender, one.race, one.age_group) == (other.gender, other.race, other.age_group)
        assert (images["fair"][key] == images["biased"][key]) == is_same
        if one.intensity is not None:
            assert other.intensity == pytest.approx(one.intensity * (1 if is_same else 0.5))
    for dataset in ("ferplus", "affectnet", "sfew"):
        paths = [tmp_path / name / dataset / "test.parquet" for name in ("fair", "biased")]
        assert paths[0].read_bytes() == paths[1].read_bytes()
