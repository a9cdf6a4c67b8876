"""What a stage leaves: its output, its time, and the reason for which it failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from recipes.tiny_cpu.demo.stages import StageError, Stages


def test_a_stage_that_failed_shows_the_end_of_its_log(tmp_path: Path) -> None:
    stages = Stages(tmp_path)
    stages.command("some stage", "sh", "-c", "echo before")
    with pytest.raises(StageError) as raised:
        stages.command("some stage", "sh", "-c", "seq 30; echo broken >&2; exit 3")
    first, *shown = str(raised.value).splitlines()
    log = tmp_path / "logs" / "some-stage.log"
    assert first == f"some stage failed with exit status 3; see {log}, which ends:"
    assert shown == [*map(str, range(12, 31)), "broken"]
    assert log.read_text().startswith("before\n1\n")
    assert list(stages.seconds()) == ["some stage"]
