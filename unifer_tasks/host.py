"""lmms-eval, run from here: FERBench registered first, failures told by the exit status."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

from unifer_tasks.extras import EVAL
from unifer_tasks.options import check_run
from unifer_tasks.secrets import learn, redacted_output, reveal


def run_lmms_eval(arguments: Sequence[str]) -> int:
    """Runs the lmms-eval command line in this process.

    Five things differ from calling it directly. Its listings (`tasks list`) do not load
    plug-ins by themselves, so they are loaded here. A run that failed, for which lmms-eval
    prints a traceback and exits 0, has exit status 1. `--use_cache DIR` keeps answers so that
    they outlive a kill (see `unifer_tasks.running.resume`). And what it prints, which would show
    keys, tokens and passwords, shows none (see `unifer_tasks.secrets`). Options are checked before
    anything is loaded, and an error of ours is one sentence.

    Args:
        arguments: What would follow `lmms-eval` on the command line.

    Returns:
        The exit status.
    """
    try:
        import lmms_eval.models  # noqa: F401  (loads the plug-ins)
        from lmms_eval import __main__ as evaluation
        from lmms_eval import evaluator
        from lmms_eval.cli import dispatch
    except ImportError as error:
        print(
            f"ferbench: lmms-eval cannot be imported ({error}): {EVAL.install}",
            file=sys.stderr,
        )
        return 1
    from unifer_tasks.running.resume import ResumedAnswers

    failures: list[BaseException] = []
    evaluate_one = evaluation.cli_evaluate_single

    @wraps(evaluate_one)
    def watched(args: argparse.Namespace | None = None) -> Any:
        try:
            if args is not None and args.tasks is None:
                failures.append(ValueError("no --tasks"))
            if args is not None:
                # A copy: what was given is printed in the end.
                args = argparse.Namespace(**reveal(vars(args)))
                learn(vars(args))
                check_run(args)
            return evaluate_one(args)
        except Exception as error:
            failures.append(error)
            if not _is_ours(error):
                raise
            # Its message is meant for people: no traceback.
            print(f"ferbench lmms-eval: {error}", file=sys.stderr)
            if int(os.environ.get("WORLD_SIZE", "1")) > 1:
                raise SystemExit(1) from None
            return None, None

    with (
        redacted_output(arguments),
        _replaced(sys, "argv", ["lmms-eval", *arguments]),
        _replaced(evaluation, "cli_evaluate_single", watched),
        _replaced(evaluator, "ResponseCache", ResumedAnswers),
    ):
        try:
            dispatch.main()
            status: object = 0
        except SystemExit as exit_:
            status = exit_.code
    if failures:
        return 1
    return status if isinstance(status, int) else int(status is not None)


def _is_ours(error: Exception) -> bool:
    return type(error).__module__.partition(".")[0] == __name__.partition(".")[0]


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)
