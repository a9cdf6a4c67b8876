from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from unifer_tasks.report.assessment import Assessment
from unifer_tasks.report.plots import write_plots
from unifer_tasks.report.published import published_scores

pytest.importorskip("matplotlib")


def test_plots_are_written_twice_the_same(assessments: list[Assessment], tmp_path: Path) -> None:
    runs = [assessments[0], assessments[-1]]
    stale = tmp_path / "a" / "confusion_9_gone.png"
    stale.parent.mkdir()
    stale.touch()
    told: list[str] = []
    first = write_plots(runs, published_scores(), tmp_path / "a", told.append)
    second = write_plots(runs, published_scores(), tmp_path / "b")
    names = ["leaderboard", "recall", "prior", "confusion_1_org-m-1-b", "confusion_2_other"]
    assert told == names
    assert [path.name for path in first] == [
        f"{n}.{kind}" for n in names for kind in ("png", "svg")
    ]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert not stale.exists()
    for path in first:
        if path.suffix == ".png":
            with Image.open(path) as image:
                # A column is 3.4 inches wide, at 300 dots each.
                assert image.width >= 1000
        else:
            text = path.read_text()
            assert text.startswith("<?xml")
            assert "<dc:date>" not in text
