"""lmms-eval, run from here: FERBench registered first, failures told by the exit status."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import wraps
from typing import Any


def run_lmms_eval(arguments: Sequence[str]) -> int:
    """Runs the lmms-eval command line in this process.

    Two things differ from calling it directly. Its listings (`tasks list`) do not load
    plug-ins by themselves, so they are loaded here. And a run that failed, for which lmms-eval
    prints a traceback and exits 0, has exit status 1.

    Args:
        arguments: What would follow `lmms-eval` on the command line.

    Returns:
        The exit status.
    """
    try:
        import lmms_eval.models  # noqa: F401  (loads the plug-ins)
        from lmms_eval import __main__ as evaluation
        from lmms_eval.cli import dispatch
    except ImportError as error:
        print(
            f"ferbench: lmms-eval cannot be imported ({error}); pip install 'unifer[eval]'",
            file=sys.stderr,
        )
        return 1

    failures: list[BaseException] = []
    evaluate_one = evaluation.cli_evaluate_single

    @wraps(evaluate_one)
    def watched(args: argparse.Namespace | None = None) -> Any:
        try:
            if args is not None and args.tasks is None:
                failures.append(ValueError("no --tasks"))
            return evaluate_one(args)
        except Exception as error:
            failures.append(error)
            raise

    argv, sys.argv = sys.argv, ["lmms-eval", *arguments]
    evaluation.cli_evaluate_single = watched
    try:
        dispatch.main()
        status: object = 0
    except SystemExit as exit_:
        status = exit_.code
    finally:
        sys.argv = argv
        evaluation.cli_evaluate_single = evaluate_one
    if failures:
        return 1
    return status if isinstance(status, int) else int(status is not None)
