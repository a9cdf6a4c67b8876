"""Commands that `unifer-train` refuses."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from recipes.training.cli.main import main


def check_refusal(
    arguments: Sequence[str], status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Check that a command ends with an exit status and says a message, without a traceback."""
    try:
        found: object = main(arguments)
    except SystemExit as ended:
        found = ended.code
    assert found == status
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said
