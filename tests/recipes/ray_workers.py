"""Ray's workers in processes that are forked once most of what they import is loaded.

    python -m tests.recipes.ray_workers FILE [ARGUMENT ...]

`fork_them` is for `RAY_RUNTIME_ENV_HOOK`, by which ray lets others change what a driver asks for.
"""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Mapping

PYTHON_VARIABLE = "FORKED_PYTHON"
"""What forks the workers, `tests.forked.Forked.python`."""


def fork_them(runtime_env: Mapping[str, object] | None) -> dict[str, object]:
    """Return a runtime environment with workers that are forked."""
    python = f"{os.environ[PYTHON_VARIABLE]} -m {__name__}"
    return {**(runtime_env or {}), "py_executable": python}


if __name__ == "__main__":
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")
