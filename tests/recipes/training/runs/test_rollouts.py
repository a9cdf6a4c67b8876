from __future__ import annotations

import json
from pathlib import Path

import pytest

from recipes.training.cli.main import main
from recipes.training.runs.rollouts import (
    FOLDER,
    RolloutsError,
    mean_of,
    read_steps,
    rollouts_table,
    zero_variance_share,
)
from unifer_tasks.protocol.answers.outcomes import Outcome
from unifer_tasks.protocol.labels import LABEL_SPACES
from unifer_tasks.protocol.prompts import question

PROMPT = f"user\n{question(LABEL_SPACES['sfew'].labels)}\nassistant\n"


def row(uid: str, output: str, score: float, **changes: object) -> dict[str, object]:
    fixed = {"input": PROMPT, "gts": "sad", "step": 1}
    return {**fixed, "uid": uid, "output": output, "score": score, **changes}


def write(run: Path, step: int, *rows: dict[str, object]) -> Path:
    path = run / FOLDER / f"{step}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


RIGHT = "<think>Corners down.</think>\n<answer>sad</answer>"
WRONG = "<think>Hm.</think>\n<answer>fear</answer>"
# The keys of prompts hold hyphens, and may hold underscores.
A_STEP = (
    row("a-1_x_0_0", RIGHT, 1.0),
    row("a-1_x_1_0", WRONG, 0.0),
    row("b-2_x_0_0", "The expression is sad.", 0.0),
    row("b-2_x_1_0", "<answer>", 0.0),
)


def test_a_step_is_summed_up(tmp_path: Path) -> None:
    write(tmp_path, 1, *A_STEP)
    (step,) = read_steps(tmp_path).values()
    assert step.rollouts == 4
    assert step.reward == 0.25
    assert step.accuracy == 0.25
    # Both rollouts of the second prompt earned nothing.
    assert step.zero_variance == 0.5
    assert step.words == (3 + 2 + 4 + 1) / 4
    assert {o: share for o, share in step.outcomes.items() if share} == {
        Outcome.ANSWERED: 0.5,
        Outcome.MISSING: 0.25,
        Outcome.TRUNCATED: 0.25,
    }


def test_what_is_right_is_read_and_not_taken_from_the_reward(tmp_path: Path) -> None:
    # An ungated preset pays the form of a wrong answer.
    write(tmp_path, 1, row("a_0_0", WRONG, 1.0), row("a_1_0", RIGHT, 2.0))
    (step,) = read_steps(tmp_path).values()
    assert (step.reward, step.accuracy, step.zero_variance) == (1.5, 0.5, 0.0)


def test_steps_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (10, 9, 2):
        write(tmp_path, number, *A_STEP)
    (tmp_path / FOLDER / "notes.jsonl").write_text("no step of verl's")
    assert list(read_steps(tmp_path)) == [2, 9, 10]


def test_the_mean_weighs_steps_alike(tmp_path: Path) -> None:
    write(tmp_path, 1, *A_STEP)
    write(tmp_path, 2, row("a_0_0", RIGHT, 1.0))
    mean = mean_of(read_steps(tmp_path).values())
    assert (mean.rollouts, mean.reward, mean.zero_variance) == (5, 0.625, 0.75)
    assert mean.outcomes[Outcome.ANSWERED] == 0.75


@pytest.mark.parametrize(
    ("most_lines", "names"),
    [(5, ["1", "2", "3", "4", "5"]), (2, ["1 to 3", "4 to 5"]), (1, ["1 to 5"])],
)
def test_many_steps_share_a_line(tmp_path: Path, most_lines: int, names: list[str]) -> None:
    for number in range(1, 6):
        write(tmp_path, number, *A_STEP)
    head, _, *lines = rollouts_table(read_steps(tmp_path), most_lines).splitlines()
    # Outcomes that never came have no column.
    assert head.endswith("| words | answered | missing | truncated |")
    assert [line.split("|")[1].strip() for line in lines] == names
    assert lines[0].endswith("| 0.250 | 25.0 % | 50.0 % | 2.5 | 50.0 % | 25.0 % | 25.0 % |")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"uid": "a_0_0", "inp', r"2\.jsonl, line 2: JSONDecodeError.*run the step again"),
        ("[]", r"2\.jsonl, line 2: TypeError"),
        ('{"uid": "a"}', r"2\.jsonl, line 2: ValueError"),
        ('{"uid": "a_0_0"}', r"2\.jsonl, line 2: KeyError: 'input'"),
        (json.dumps(row("a_0_0", RIGHT, 1, input="Hi")), r"2\.jsonl: no question .* in 'Hi'"),
    ],
)
def test_a_bad_line_is_named(
    tmp_path: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, 1, *A_STEP)
    path = write(tmp_path, 2, A_STEP[0])
    path.write_text(f"{path.read_text()}{text}\n")
    with pytest.raises(RolloutsError, match=message):
        read_steps(tmp_path)
    assert main(["rollouts", str(tmp_path)]) == 1
    assert "2.jsonl" in capsys.readouterr().err


def test_a_step_without_rollouts_is_told(tmp_path: Path) -> None:
    write(tmp_path, 1)
    with pytest.raises(RolloutsError, match=r"1\.jsonl: no rollout"):
        read_steps(tmp_path)


def test_a_folder_without_rollouts_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rollouts", str(tmp_path)]) == 1
    assert "trainer.rollout_data_dir" in capsys.readouterr().err


def test_the_command_prints_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, 7, *A_STEP)
    assert main(["rollouts", str(tmp_path), "--lines", "3"]) == 0
    assert "| 7 | 4 | 0.250 | 25.0 % | 50.0 % |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("rewards", "groups", "share"),
    [
        ([1, 1, 0, 0], "aabb", 1),
        ([1, 0, 0, 0], "aabb", 0.5),
        ([1, 0, 0, 0], "abab", 0.5),
        ([1, 0, 0, 1], "aabb", 0),
        ([0.3], "a", 1),
    ],
)
def test_share(rewards: list[float], groups: str, share: float) -> None:
    assert zero_variance_share(rewards, groups) == share


@pytest.mark.parametrize(("rewards", "groups"), [([], ""), ([1.0], "ab")])
def test_what_has_no_share_is_refused(rewards: list[float], groups: str) -> None:
    with pytest.raises(ValueError, match=r"no rollout|zip"):
        zero_variance_share(rewards, groups)
