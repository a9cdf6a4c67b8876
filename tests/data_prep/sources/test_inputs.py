"""The splits of archives that rows are made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_prep.sources.inputs import inputs_of
from data_prep.sources.samples import Source, Split
from data_prep.support.errors import ArchiveError
from data_prep.support.folder import FolderTree

TRAIN, VALID, TEST = Split


def source(dataset: str, *splits: Split) -> Source:
    return Source(dataset, "a layout", FolderTree(Path()), lambda split: iter(()), splits)


@pytest.mark.parametrize(
    ("sources", "ferplus_valid", "expected"),
    [
        ([source("sfew", TRAIN, TEST)], False, [("sfew", TRAIN)]),
        ([source("ferplus", *Split)], False, [("ferplus", TRAIN)]),
        ([source("ferplus", *Split)], True, [("ferplus", TRAIN), ("ferplus", VALID)]),
        (
            [source("rafdb", TRAIN), source("ferplus", TRAIN, VALID)],
            True,
            [("rafdb", TRAIN), ("ferplus", TRAIN), ("ferplus", VALID)],
        ),
        ([source("sfew", TEST)], False, "no train split of SFEW 2.0 .*leave out --sfew"),
        ([source("sfew", TRAIN), source("rafdb", TEST)], False, "no train split of RAF-DB"),
        ([source("ferplus", TRAIN, TEST)], True, "no valid split of FERPlus"),
    ],
)
def test_a_split_that_an_archive_lacks_is_named(
    sources: list[Source], ferplus_valid: bool, expected: list[tuple[str, Split]] | str
) -> None:
    given = {each.dataset: each for each in sources}
    if isinstance(expected, str):
        with pytest.raises(ArchiveError, match=expected):
            inputs_of(given, ferplus_valid=ferplus_valid)
    else:
        found = inputs_of(given, ferplus_valid=ferplus_valid)
        assert [(each.name, each.split) for each in found] == expected
