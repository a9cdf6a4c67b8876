from __future__ import annotations

import pytest

from unifer_tasks.support.nearest import did_you_mean

KNOWN = ("ferbench", "ferbench_sfew", "ferbench_direct_sfew", "mmstar")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ferbnech", "; did you mean ferbench or ferbench_sfew?"),
        ("MMStar", "; did you mean mmstar?"),
        ("sfew", "; did you mean ferbench_sfew or ferbench_direct_sfew?"),
        ("few", ""),
        ("zzz", ""),
        ("", ""),
    ],
)
def test_hint(name: str, hint: str) -> None:
    assert did_you_mean(name, KNOWN) == hint
