from __future__ import annotations

from typing import Any

import pytest

from unifer_tasks.protocol.action_units import AU_NAMES, PROTOTYPES
from unifer_tasks.protocol.labels import (
    CANONICAL_LABELS,
    FERBENCH,
    LABEL_SPACES,
    N_QUESTIONS,
    WITH_FILES,
    LabelSpace,
    UnknownDatasetError,
    by_key,
    canonical,
    dataset_key,
    label_space,
)


def test_the_benchmark_has_its_published_size() -> None:
    sizes = {key: space.n_test for key, space in FERBENCH.items()}
    assert sizes == {"rafdb": 3068, "ferplus": 3573, "affectnet": 4000, "sfew": 431}
    assert sum(sizes.values()) == N_QUESTIONS == 11_072


def test_canonical_names_cover_every_label() -> None:
    for space in LABEL_SPACES.values():
        assert {canonical(label) for label in space.labels} <= set(CANONICAL_LABELS)
        assert len({canonical(label) for label in space.labels}) == len(space.labels)
    with_contempt = {key for key, space in FERBENCH.items() if "contempt" in space.labels}
    assert with_contempt == {"ferplus", "affectnet"}


def test_every_expression_has_a_prototype_of_known_units() -> None:
    assert set(PROTOTYPES) == set(CANONICAL_LABELS)
    assert {unit for units in PROTOTYPES.values() for unit in units} <= set(AU_NAMES)
    assert len(set(PROTOTYPES.values())) == len(PROTOTYPES)


@pytest.mark.parametrize("key", ["", "RAFDB", "fer2013", None])
def test_an_unknown_dataset_is_an_error_that_lists_the_known(key: str) -> None:
    with pytest.raises(UnknownDatasetError, match="known: rafdb, ferplus, affectnet, sfew"):
        label_space(key)


TWO = ("happy", "sad")


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"key": "Mine"}, "needs another key"),
        ({"key": "raf-db"}, "needs another key"),
        ({"key": "pooled"}, "needs another key"),
        ({"labels": ()}, "has the labels"),
        ({"labels": ("happy", "happiness")}, "must name different expressions"),
        ({"labels": ("happy", "calm")}, "must name different expressions"),
        ({"labels": TWO, "test_counts": {"sad": 1, "happy": 2}}, "counts of other labels"),
        (
            {
                "labels": TWO,
                "test_counts": dict.fromkeys(TWO, 1),
                "in_ferbench": True,
                "part_of": "sfew",
            },
            "is part of sfew, so FERBench would ask its questions twice",
        ),
        ({"labels": TWO, "in_ferbench": True}, "is in FERBench and has no counts"),
        ({"labels": TWO, "renamed": {"fearful": "fear"}}, "maps fearful, which is not among"),
        ({"labels": ("happy", "fearful"), "renamed": {"fearful": "dread"}}, "must name different"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(
    declared: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        LabelSpace(**{"key": "mine", "title": "Mine", "labels": TWO, **declared})


@pytest.mark.parametrize(
    "declared",
    [
        (LabelSpace("part", "Part", TWO, part_of="whole"),),
        (LabelSpace("whole", "Whole", TWO), LabelSpace("part", "Part", TWO, part_of="whole")),
        (
            LabelSpace("whole", "Whole", ("fear", *TWO)),
            LabelSpace("part", "Part", TWO, part_of="whole"),
            LabelSpace("less", "Less", ("sad",), part_of="part"),
        ),
        (LabelSpace("part", "Part", TWO, part_of="whole"), LabelSpace("whole", "Whole", TWO)),
    ],
    ids=["of nothing", "all of it", "of a part", "before the whole"],
)
def test_a_part_is_of_a_dataset_before_it_with_more_labels(
    declared: tuple[LabelSpace, ...],
) -> None:
    with pytest.raises(ValueError, match="must be declared after the dataset that it is part of"):
        by_key(declared)


def test_affectnet_without_contempt_is_beside_the_benchmark() -> None:
    whole, part = LABEL_SPACES["affectnet"], LABEL_SPACES["affectnet7"]
    assert part.labels == tuple(label for label in whole.labels if label != "contempt")
    assert part.test_counts == dict.fromkeys(part.labels, 500)
    assert (part.n_test, part.data_key, whole.data_key) == (3500, "affectnet", "affectnet")
    assert part.key not in FERBENCH
    assert part.key not in WITH_FILES
    assert part.upstream == whole.upstream


@pytest.mark.parametrize(
    ("names", "key"),
    [
        (["rafdb", "RAF-DB", "RAF DB", "raf_db", "RAFDB", "RAF-DB 7"], "rafdb"),
        (["ferplus", "FERPlus", "FER+", "FER Plus", "FER-Plus-8", " ferplus\n"], "ferplus"),
        (["affectnet", "AffectNet", "Affect-Net", "AffectNet-8", "AFFECTNET8"], "affectnet"),
        (["affectnet7", "AffectNet-7", "AffectNet 7"], "affectnet7"),
        (["sfew", "SFEW", "SFEW 2.0", "SFEW-2.0", "sfew_2", "SFEW2.0"], "sfew"),
    ],
)
def test_a_dataset_is_known_by_its_name_as_people_write_it(names: list[str], key: str) -> None:
    assert [dataset_key(name) for name in names] == [key] * len(names)


@pytest.mark.parametrize("name", ["", "+", "fer", "AffectNet-6", "sfew 1.0", "RAF-DB2", "fer2013"])
def test_a_name_of_no_dataset_is_an_error(name: str) -> None:
    with pytest.raises(UnknownDatasetError, match="known: rafdb, ferplus, affectnet, sfew"):
        dataset_key(name)


@pytest.mark.parametrize(
    ("official", "counts", "complete"),
    [
        ({}, {}, True),
        ({}, {"happy": 3}, True),
        ({"happy": 2, "sad": 0}, {"happy": 2}, True),
        ({"happy": 2, "sad": 1}, {"happy": 2}, False),
        ({"happy": 2, "sad": 1}, {"happy": 1, "sad": 2}, False),
    ],
)
def test_any_number_is_complete_where_no_counts_are_official(
    official: dict[str, int], counts: dict[str, int], complete: bool
) -> None:
    space = LabelSpace("mine", "Mine", TWO, official)
    assert space.n_test == sum(official.values())
    assert space.is_complete(counts) is complete
