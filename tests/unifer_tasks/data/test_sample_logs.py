"""Sample logs of lmms-eval, line by line."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from unifer_tasks.data.predictions import PredictionError
from unifer_tasks.data.sample_logs import read_responses, read_sample_log
from unifer_tasks.protocol.variants.listed import BASE, N_ORDERS, VARIANTS, task_name

SHUFFLED = VARIANTS["shuffled"]
RECORD = {"dataset": "sfew", "id": "1", "gold": "fear"}


def logged(tmp_path: Path, variant: str, **record: Any) -> Path:
    path = tmp_path / f"20260101_000000_samples_{task_name('sfew', VARIANTS.get(variant, BASE))}"
    path = path.with_suffix(".jsonl")
    of_variant = {} if variant == "base" else {"variant": variant}
    own = {**RECORD, **of_variant, **record}
    path.write_text(json.dumps({"accuracy": own, "input": "?", "filtered_resps": ["x"]}) + "\n")
    return path


@pytest.mark.parametrize("permutation", range(N_ORDERS))
def test_a_permutation_that_is_asked_is_read(tmp_path: Path, permutation: int) -> None:
    log = read_sample_log(logged(tmp_path, "shuffled", permutation=permutation), SHUFFLED)
    assert [sample.permutation for sample in log.samples] == [permutation]


@pytest.mark.parametrize(
    ("variant", "record", "problem"),
    [
        *(
            ("shuffled", {"permutation": wrong}, "as `permutation`, which must be an integer from")
            for wrong in (N_ORDERS, 99, -1, 1.0, "1", None, True, [0])
        ),
        ("base", {"permutation": 1}, "has 1 as `permutation`, which must be an integer from"),
        ("base", {"dataset": "rafdb"}, "is of 'rafdb', in a log of sfew; name the log as lmms-ev"),
        ("base", {"dataset": "fer2013"}, "'fer2013'"),
        ("base", {"gold": "contempt"}, "accuracy.gold 'contempt' is not a label of sfew"),
        ("base", {"id": None}, "`accuracy.id` must be a string, got null"),
    ],
)  # fmt: skip
def test_an_impossible_record_is_refused(
    tmp_path: Path, variant: str, record: dict[str, Any], problem: str
) -> None:
    path = logged(tmp_path, variant, **record)
    with pytest.raises(PredictionError) as caught:
        read_sample_log(path, VARIANTS.get(variant, BASE))
    assert (
        f"{path}: 1 of 1 line cannot be scored; nothing was written. Restore the log as lmms-eval "
        "wrote it, or run the task again:\n  line 1: "
    ) in str(caught.value)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("sample", "problem"),
    [
        ({}, "is not a FERBench sample of lmms-eval (KeyError('accuracy')); give a log of ferben"),
        ({"accuracy": 1.0, "input": "?"}, "is not a FERBench sample of lmms-eval ("),
        ({"accuracy": {"variant": "native"} | RECORD}, "is of the variant 'native', not of base; "),
        ({"filtered_resps": [None]}, "is not a FERBench sample of lmms-eval ("),
        ({"filtered_resps": []}, "is not a FERBench sample of lmms-eval ("),
        ({"filtered_resps": [[]]}, "has no response"),
        ({"filtered_resps": [[3]]}, "`filtered_resps` must be a string, got 3; give the whole"),
    ],
)  # fmt: skip
def test_another_sample_is_refused(tmp_path: Path, sample: dict[str, Any], problem: str) -> None:
    path = logged(tmp_path, "base")
    row = {**json.loads(path.read_text()), **sample} if sample else {"filtered_resps": ["x"]}
    path.write_text(json.dumps(row))
    with pytest.raises(PredictionError) as caught:
        read_sample_log(path)
    assert f"line 1: {problem}" in str(caught.value)


@pytest.mark.parametrize("content", ["", "\n", '{"accuracy": {"datas'])
def test_a_log_without_a_whole_line_is_to_be_removed(tmp_path: Path, content: str) -> None:
    path = logged(tmp_path, "base")
    path.write_text(content)
    with pytest.raises(PredictionError, match="holds no predictions; remove the log, which a run"):
        read_sample_log(path)


@pytest.mark.parametrize(
    ("responses", "expected"),
    [
        ({"resps": [["x"]], "filtered_resps": ["x"]}, ("x",)),  # lmms-eval 0.5 and 0.6
        ({"filtered_resps": ["x"]}, ("x",)),
        ({"filtered_resps": [["x", "y"]]}, ("x", "y")),
        ({"resps": ["x"], "filtered_resps": "x"}, ("x",)),  # 0.7
        ({"filtered_resps": "x"}, ("x",)),
        ({"resps": ["x", "y"], "filtered_resps": "x"}, ("x", "y")),
        ({"filtered_resps": ["x", "y"]}, ("x", "y")),
    ],
)
def test_responses_are_read_as_each_release_writes_them(
    tmp_path: Path, responses: dict[str, Any], expected: tuple[str, ...]
) -> None:
    path = logged(tmp_path, "base")
    path.write_text(json.dumps({**json.loads(path.read_text()), **responses}) + "\n")
    (sample,) = read_sample_log(path).samples
    assert tuple(answer.response for answer in sample.answers) == expected


def test_a_repeated_key_is_refused(tmp_path: Path) -> None:
    path = logged(tmp_path, "base")
    path.write_text(path.read_text().replace('"input": "?"', '"input": "?", "input": "!"'))
    with pytest.raises(PredictionError, match="line 1: has the key 'input' twice"):
        read_sample_log(path)


@pytest.mark.parametrize("read", [read_sample_log, read_responses])
def test_a_pipe_that_nobody_writes_to_is_not_waited_for(
    tmp_path: Path, read: Callable[[Path], object]
) -> None:
    path = tmp_path / f"20260101_000000_samples_{task_name('sfew')}.jsonl"
    os.mkfifo(path)
    with pytest.raises(PredictionError, match="is a pipe or a device, not a regular file"):
        read(path)
