"""What the demo says before it starts, and when it does not start."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("verl")

from data_prep.synthetic.stand_in_training import Labels
from recipes.tiny_cpu.demo import __main__ as demo
from recipes.tiny_cpu.demo.needs import GRPO_MEMORY, NeedsError, check_memory, minutes
from recipes.tiny_cpu.demo.sizes import Sizes
from recipes.tiny_cpu.demo.stages import StageError, Stages
from recipes.training.plan.available import GIB, Memory

_ENOUGH = Memory(32 * GIB, 20 * GIB, "the machine's memory")
_LITTLE = Memory(8 * GIB, 7 * GIB, "the limit of this container or control group")


@pytest.mark.parametrize("with_sft", [True, False])
def test_the_time_is_said_with_the_machine_it_was_measured_on(with_sft: bool) -> None:
    said = minutes(with_sft=with_sft)
    assert "minutes on two quiet cores" in said
    assert "not run again" in said


@pytest.mark.parametrize(
    ("memory", "ignored", "expected"),
    [
        (_ENOUGH, False, "and 18.4 GiB are available"),
        (_LITTLE, True, "and 6.6 GiB are available"),
        (None, False, "this system does not say"),
    ],
)
def test_memory_is_said_beforehand(memory: Memory | None, ignored: bool, expected: str) -> None:
    said = check_memory(memory, ignored=ignored)
    assert expected in said
    assert f"{GRPO_MEMORY / GIB:.1f} GiB" in said


def test_too_little_memory_is_refused_with_the_remedy() -> None:
    with pytest.raises(NeedsError) as refused:
        check_memory(_LITTLE)
    said = str(refused.value)
    for part in ("7.0 GiB of 8.0 GiB", "container", "ray would kill", "--ignore-memory"):
        assert part in said


def test_nothing_is_begun_where_memory_is_too_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "available_memory", lambda: _LITTLE)
    assert demo.main(["--out", str(tmp_path / "out"), "--start", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("demo: GRPO takes ")
    assert not (tmp_path / "out").exists()


def test_what_it_takes_is_said_before_the_first_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def begin(out: Path, *args: object, **options: object) -> Path:
        said = capsys.readouterr().out
        assert "GiB of memory" in said
        assert "minutes on two quiet cores" in said
        assert options["cold_labels"] == "sqrt"
        summary = tmp_path / "summary.md"
        summary.write_text("It ran.\n")
        return summary

    monkeypatch.setattr(demo, "available_memory", lambda: _LITTLE)
    monkeypatch.setattr(demo, "run", begin)
    assert demo.main(["--out", str(tmp_path / "out"), "--ignore-memory"]) == 0
    assert "It ran." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("start", "labels", "faces"),
    [(True, "sqrt", 6), (True, "official", 6), (False, "sqrt", 64)],
)
def test_no_more_faces_are_drawn_than_are_met(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: bool, labels: Labels, faces: int
) -> None:
    commands: list[tuple[str, ...]] = []

    def command(stages: Stages, name: str, *words: object, **options: object) -> None:
        if not name.startswith("draw"):
            raise StageError(name)
        commands.append(tuple(map(str, words)))

    monkeypatch.setattr(Stages, "command", command)
    sizes = Sizes(faces=64, grpo_steps=2, prompts=3)
    with pytest.raises(StageError):
        demo.run(tmp_path, sizes, start=tmp_path if start else None, cold_labels=labels)
    drawn = dict(zip(("faces", "skewed", "held-out"), commands, strict=True))
    assert drawn["faces"][drawn["faces"].index("--train") + 1] == str(faces)
    assert drawn["skewed"][drawn["skewed"].index("--labels") + 1] == labels
