"""What the command prints of names that somebody else chose."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from unifer_tasks.cli.main import main

HOSTILE = "a\x1b[2Kb\nferbench: all is well\tc"
"""A name that clears a line, and holds one that looks like ours."""

SHOWN = "aU+001B[2KbU+000Aferbench: all is wellU+0009c"
FOLDED = "aU+001B[2Kb ferbench: all is well c"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["score", "{name}"], f"{SHOWN}: no such file or folder"),
        (["score", "{folder}"], f"{FOLDED} is a directory, not a file; give a file"),
        (["score", "{good}", "--json", "{folder}"], f"{SHOWN} is a directory; name a file"),
        (["score", "{good}", "--json", "{file}/x"], "cannot be written to"),
        (["score", "{file}", "--json", "{file}"], "holds the predictions; write to another file"),
        (["score", "{good}", "--data", "{name}"], f"{SHOWN} does not exist"),
        (["report", "{good}", "--out", "{file}/x"], "cannot be written to"),
        (["report", "{good}", "--out", "{folder}", "--data", "{name}"], f"{SHOWN} does not exist"),
        (["report", "{name}", "--out", "{folder}"], "does not exist; give lmms-eval's"),
        (["run", "--models", "{name}.toml", "--out", "{folder}"], f"{SHOWN}.toml: no such file"),
        (["compare", "{name}", "{good}"], "does not exist; give lmms-eval's"),
    ],
)
def test_a_name_is_shown_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    row = {"dataset": "sfew", "id": "a", "target": "sad", "label": "sad"}
    for path in (tmp_path / "good.jsonl", tmp_path / f"{HOSTILE}.jsonl"):
        path.write_text(json.dumps(row) + "\n")
    (tmp_path / "folder" / HOSTILE).mkdir(parents=True)
    places = {
        "name": tmp_path / HOSTILE,
        "good": tmp_path / "good.jsonl",
        "file": tmp_path / f"{HOSTILE}.jsonl",
        "folder": tmp_path / "folder" / HOSTILE,
    }
    assert main([argument.format(**places) for argument in arguments]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert error.startswith("ferbench")
    assert "\x1b" not in error
    assert "\t" not in error


def test_a_message_of_several_lines_stays_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text('{"dataset": "sfew"}\n{"dataset": "sfew\\nx"}\n')
    assert main(["score", str(path)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert all(line.startswith("  ") for line in lines[1:])
