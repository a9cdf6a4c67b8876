"""What the three commands share."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

INTERRUPTED = """
import sys
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "{package}.cli.main":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupt())
sys.argv = ["/venv/bin/{program}", "--help"]
import {package}.cli
from {package}.cli.main import main
"""


@pytest.mark.parametrize(
    ("command", "package"),
    [
        ("ferbench", "unifer_tasks"),
        ("unifer-data", "data_prep"),
        ("unifer-train", "recipes.training"),
    ],
)
@pytest.mark.parametrize("is_command", [True, False])
def test_an_interrupt_of_the_imports(command: str, package: str, is_command: bool) -> None:
    program = command if is_command else "another"
    code = INTERRUPTED.format(package=package, program=program)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGINT
    if is_command:
        assert done.stderr == f"{command}: interrupted\n"
    else:
        assert "Traceback" in done.stderr
