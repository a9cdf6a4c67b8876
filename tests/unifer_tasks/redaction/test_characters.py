from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tqdm import tqdm

from data_prep.cli.main import main as unifer_data
from unifer_tasks.cli.main import main as ferbench
from unifer_tasks.redaction.characters import UNSEEN, encodable, one_line, visible, visible_output

# Any code point, halves of surrogate pairs among them.
ANY_TEXT = st.text(st.characters(codec=None))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("表情 😀", "表情 😀"),
        ("\ud83d\ude00", "😀"),
        ("a\ud83d", "a\ufffd"),
        ("\ude00b", "\ufffdb"),
    ],
)
def test_what_is_encodable_keeps_every_character(text: str, expected: str) -> None:
    assert encodable(text) == expected


@given(ANY_TEXT)
def test_every_text_becomes_encodable(text: str) -> None:
    assert encodable(text).encode().decode() == encodable(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain\ttext\nas it is, ä 表情 😀", "plain\ttext\nas it is, ä 表情 😀"),
        ("nul\x00", "nulU+0000"),
        ("\u202egnp.exe", "U+202Egnp.exe"),
        ("a\u2028b", "aU+2028b"),
        ("half \ud83d", "half U+D83D"),
        ("zero\u200bwidth", "zeroU+200Bwidth"),
        ("\x1b]0;title\x07", "U+001B]0;titleU+0007"),
    ],
)
def test_what_acts_unseen_is_spelled_out(text: str, expected: str) -> None:
    assert visible(text) == expected


@given(ANY_TEXT)
def test_visible_text_can_be_written(text: str) -> None:
    assert not UNSEEN.search(visible(text))
    visible(text).encode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  a\n\n# b\t c ", "a # b c"),
        ("a\u2029b\x85c", "aU+2029bU+0085c"),
        ("\n", ""),
    ],
)
def test_one_line(text: str, expected: str) -> None:
    assert one_line(text) == expected


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_names_do_nothing_to_a_terminal(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, name, stream)
    with visible_output():
        print("no such file: \x1b[2J\rall is well\u202e", file=getattr(sys, name))
        getattr(sys, name).writelines(["a\x07\n", "b\n"])
    assert getattr(sys, name) is stream
    assert stream.getvalue() == ("no such file: U+001B[2JU+000Dall is wellU+202E\naU+0007\nb\n")


def test_bars_go_on_moving(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with visible_output():
        outer = tqdm(total=1, desc="outer \x1b[2J")
        inner = tqdm(total=1, desc="inner")
        for bar in (inner, outer):
            bar.update()
            bar.close()
    shown = stream.getvalue()
    assert "outer U+001B[2J: 100%" in shown
    assert "U+000D" not in shown
    assert "\x1b[2J" not in shown
    assert "\x1b[A" in shown


NAME = "\x1b[2J\x1b]0;title\x07\u202ename"


@pytest.mark.parametrize(
    ("main", "command"),
    [
        (ferbench, ["score", NAME]),
        (ferbench, ["report", NAME, "--out", "out"]),
        (ferbench, ["score", "a.csv", f"-{NAME}"]),
        (unifer_data, ["verify", NAME]),
        (unifer_data, ["rlvr", "--sfew", NAME, "--out", "out", "--no-leak-check"]),
        (unifer_data, ["rlvr", "--out", "out", f"-{NAME}"]),
    ],
)
def test_no_message_of_a_command_acts_on_a_terminal(
    main: Callable[[Sequence[str]], int],
    command: Sequence[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    # Of a wrong option argparse raises.
    with suppress(SystemExit):
        assert main(command)
    printed = "".join(capsys.readouterr())
    assert "name" in printed
    assert not UNSEEN.search(printed)
