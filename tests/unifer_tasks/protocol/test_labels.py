from __future__ import annotations

import pytest

from unifer_tasks.protocol.action_units import AU_NAMES, PROTOTYPES
from unifer_tasks.protocol.labels import (
    CANONICAL_LABELS,
    LABEL_SPACES,
    UnknownDatasetError,
    canonical,
    label_space,
)


def test_the_benchmark_has_its_published_size() -> None:
    sizes = {key: space.n_test for key, space in LABEL_SPACES.items()}
    assert sizes == {"rafdb": 3068, "ferplus": 3573, "affectnet": 4000, "sfew": 431}
    assert sum(sizes.values()) == 11_072


def test_canonical_names_cover_every_label() -> None:
    for space in LABEL_SPACES.values():
        assert {canonical(label) for label in space.labels} <= set(CANONICAL_LABELS)
        assert len({canonical(label) for label in space.labels}) == len(space.labels)
    with_contempt = {key for key, space in LABEL_SPACES.items() if "contempt" in space.labels}
    assert with_contempt == {"ferplus", "affectnet"}


def test_every_expression_has_a_prototype_of_known_units() -> None:
    assert set(PROTOTYPES) == set(CANONICAL_LABELS)
    assert {unit for units in PROTOTYPES.values() for unit in units} <= set(AU_NAMES)
    assert len(set(PROTOTYPES.values())) == len(PROTOTYPES)


@pytest.mark.parametrize("key", ["", "RAFDB", "fer2013", None])
def test_an_unknown_dataset_is_an_error_that_lists_the_known(key: str) -> None:
    with pytest.raises(UnknownDatasetError, match="known: rafdb, ferplus, affectnet, sfew"):
        label_space(key)
