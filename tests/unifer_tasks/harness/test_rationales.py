"""The rationales of an earlier run: read once, from whatever holds them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from unifer_tasks.data.sample_logs import Responses, read_responses
from unifer_tasks.harness import rationales
from unifer_tasks.harness.rationales import check_rationales, read_rationales
from unifer_tasks.protocol.prompts import response
from unifer_tasks.protocol.variants.forced import OWN

pytest.importorskip("loguru")


def write(path: Path, rationale: str) -> None:
    row = {"dataset": "sfew", "id": "a", "target": "sad", "response": response(rationale, "sad")}
    path.write_text(json.dumps(row) + "\n")


def test_an_earlier_run_is_read_once_until_it_changes(
    tmp_path: Path, stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def counted(path: Path, *given: object) -> Responses:
        read.append(path)
        return read_responses(path)

    monkeypatch.setenv("FERBENCH_DATA", str(stand_in))
    monkeypatch.setattr(rationales, "read_responses", counted)
    source = tmp_path / "said.jsonl"
    write(source, "Corners down.")
    # The options are checked by the command line and by the plug-in, then the model is made.
    for _ in range(2):
        check_rationales(str(source), "model", {"ferbench_rationale_sfew": 1})
    begun = read_rationales(str(source))["sfew", "a"].texts[OWN]
    assert (begun, len(read)) == ("<think>Corners down.</think>\n", 1)
    write(source, "Brows lowered.")
    begun = read_rationales(str(source))["sfew", "a"].texts[OWN]
    assert (begun, len(read)) == ("<think>Brows lowered.</think>\n", 2)
