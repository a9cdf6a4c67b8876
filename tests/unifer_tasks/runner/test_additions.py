"""What `--with` adds: every variant and dataset by its key, and annotations that are checked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from unifer_tasks.data.annotations import ANNOTATION_TYPES, ATTRIBUTES
from unifer_tasks.data.manifest import MANIFEST_NAME
from unifer_tasks.harness.selection import NAMES
from unifer_tasks.protocol.labels import FERBENCH, LABEL_SPACES
from unifer_tasks.protocol.variants.listed import VARIANTS
from unifer_tasks.runner.additions import (
    ADDITIONS,
    check_annotations,
    find_additions,
    listing,
    table,
    with_additions,
)
from unifer_tasks.runner.presets import PresetError


def test_whatever_can_be_asked_or_measured_can_be_added() -> None:
    beside = LABEL_SPACES.keys() - FERBENCH.keys()
    assert ADDITIONS.keys() == {"votes", "groups", *VARIANTS, *beside}
    assert [each.name for each in ADDITIONS.values() if not each.shows] == []
    added = {each.adds for each in ADDITIONS.values()} - {""}
    assert added <= {*NAMES}
    assert len(added) == len(VARIANTS) + len(beside)
    columns = {c for each in ADDITIONS.values() if each.annotated for c in each.annotated.columns}
    assert columns == {"votes", *ATTRIBUTES} <= ANNOTATION_TYPES.keys()


def test_the_readme_and_the_help_list_them() -> None:
    assert table() in (REPOSITORY / "unifer_tasks" / "README.md").read_text(encoding="utf-8")
    assert len(listing().splitlines()) == len(table().splitlines()) - 2


@pytest.mark.parametrize(
    ("name", "cost"), [("votes", 0), ("direct", 1), ("shuffled", 4), ("ranked", 1)]
)
def test_what_an_addition_costs(name: str, cost: float) -> None:
    assert ADDITIONS[name].cost == cost


@pytest.mark.parametrize(
    ("tasks", "names", "expected"),
    [
        ("ferbench", [], "ferbench"),
        ("ferbench", ["votes", "groups"], "ferbench"),
        ("ferbench", ["ranked"], "ferbench,ferbench_ranked"),
        ("ferbench", ["ranked", "direct"], "ferbench,ferbench_ranked,ferbench_direct"),
        ("ferbench_sfew", ["ranked"], "ferbench_sfew,ferbench_ranked_sfew"),
        (
            "ferbench_sfew,ferbench_rafdb",
            ["direct"],
            "ferbench_sfew,ferbench_rafdb,ferbench_direct_sfew,ferbench_direct_rafdb",
        ),
        ("ferbench,ferbench_direct", ["direct"], "ferbench,ferbench_direct"),
        ("ferbench,mmstar", ["native"], "ferbench,mmstar,ferbench_native"),
        ("ferbench_s*", ["direct"], "ferbench_s*,ferbench_direct_sfew"),
        ("ferbench*", ["direct"], "ferbench*"),
    ],
)
def test_tasks_are_added_beside_their_base(tasks: str, names: list[str], expected: str) -> None:
    assert with_additions(tasks, find_additions(names)) == expected


@pytest.mark.parametrize(
    ("names", "tasks", "message"),
    [
        (["rankd"], "ferbench", "--with has no addition 'rankd'; did you mean ranked?"),
        (["Votes"], "ferbench", "did you mean votes?"),
        (["zzz"], "ferbench", "there is votes, groups, direct"),
        ([""], "ferbench", "names an empty addition; remove the comma too many"),
        (["repeats"], "ferbench", "--set repeats=5"),
        (["ranked"], "ferbench_direct", "--tasks ferbench_direct asks none of them; name ferbench"),
        (["direct"], "mmstar", "--tasks mmstar asks none of them"),
    ],
)
def test_what_cannot_be_added_is_named(names: list[str], tasks: str, message: str) -> None:
    with pytest.raises(PresetError) as caught:
        with_additions(tasks, find_additions(names))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "column", "tasks", "message"),
    [
        ("votes", "votes", ["ferbench"], None),
        ("votes", "votes", ["ferbench_direct_ferplus"], None),
        ("groups", "gender", ["ferbench"], None),
        ("groups", "race", ["ferbench_rafdb"], None),
        ("direct", "", ["ferbench"], None),
        ("votes", "", ["ferbench"], "needs `votes` in the data of FERPlus, which .* lacks; build"),
        ("groups", "votes", ["ferbench"], "that has Annotation/manual/\\*_manu_attri.txt"),
        ("votes", "votes", ["ferbench_sfew"], "asks nothing; add ferbench_ferplus"),
        ("groups", "gender", ["mmstar"], "is about RAF-DB, of which --tasks mmstar asks nothing"),
    ],
)
def test_the_data_must_have_what_is_measured(
    stand_in: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    column: str,
    tasks: list[str],
    message: str | None,
) -> None:
    manifest = json.loads((stand_in / MANIFEST_NAME).read_text())
    for file in manifest["datasets"].values():
        counts = file["annotations"]
        file["annotations"] = {key: n for key, n in counts.items() if key == column}
    (tmp_path / MANIFEST_NAME).write_text(json.dumps(manifest))
    monkeypatch.setenv("FERBENCH_DATA", str(tmp_path))
    if message is None:
        check_annotations(find_additions([name]), tasks)
        return
    with pytest.raises(PresetError, match=message):
        check_annotations(find_additions([name]), tasks)
