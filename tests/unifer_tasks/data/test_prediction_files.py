"""Where prediction files come from."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unifer_tasks.data.formats.tables import TABLE, workbook
from unifer_tasks.data.predictions import PredictionError, read_predictions


@pytest.mark.parametrize("how", ["file", "pipe", "process substitution"])
def test_standard_input_is_read(tmp_path: Path, how: str) -> None:
    path = tmp_path / "predictions"
    path.write_bytes(workbook(TABLE))
    code = (
        "import sys; from pathlib import Path\n"
        "from unifer_tasks.data.predictions import read_predictions\n"
        "print(len(read_predictions(Path(sys.argv[1]))))"
    )
    shell = {
        "file": '"$@" - < "$FILE"',
        "pipe": 'cat "$FILE" | "$@" -',
        "process substitution": '"$@" <(cat "$FILE")',
    }[how]
    done = subprocess.run(
        ["bash", "-c", shell, "bash", sys.executable, "-c", code],
        env={**os.environ, "FILE": str(path)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "4\n"


def test_a_pipe_that_nobody_writes_to_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(PredictionError, match=r"not a (regular )?file; give a file, or pipe"):
            read_predictions(path)
