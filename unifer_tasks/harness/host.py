"""Run lmms-eval in this process, with FERBench registered and failures in the exit status."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

from unifer_tasks.harness.options import check_cache, check_invocation, check_run
from unifer_tasks.harness.requests.shortfall import FAILED_REQUESTS_STATUS, Shortfall, shortfall
from unifer_tasks.redaction.characters import visible
from unifer_tasks.redaction.secrets import learn, redacted_output, reveal
from unifer_tasks.support.extras import EVAL
from unifer_tasks.support.seams import Function, Seam, replaced

_PARSE = Seam(
    "lmms_eval.__main__", "parse_eval_args", (), "the command line is checked before any work"
)
_RUN = Seam(
    "lmms_eval.__main__",
    "cli_evaluate_single",
    ("args",),
    "a run that failed has exit status 1",
)
_KEEP_ANSWERS = Seam(
    "lmms_eval.evaluator",
    "ResponseCache.create",
    ("cache_root", "model", "model_args", "task_dict", "world_size", "global_rank"),
    "--use_cache keeps answers",
)
SEAMS = (_PARSE, _RUN, _KEEP_ANSWERS)
"""Every function of lmms-eval that is replaced while it runs from here."""


def run_lmms_eval(arguments: Sequence[str]) -> int:
    """Run the lmms-eval command line in this process.

    Five things differ from calling it directly. Its listings (`tasks list`) do not load
    plug-ins by themselves, so they are loaded here. A run that failed, for which lmms-eval
    prints a traceback and exits 0, has exit status 1, and one with failed requests 3.
    `--use_cache DIR` keeps answers so that they outlive a kill (see
    `unifer_tasks.harness.requests.resume`). And what it prints, which would show keys, tokens and
    passwords, shows none (see `unifer_tasks.redaction.secrets`). Options are checked before
    anything is loaded, and an error of ours is one sentence.

    Args:
        arguments: What would follow `lmms-eval` on the command line.

    Returns:
        The exit status.
    """
    failures: list[BaseException] = []
    with redacted_output(arguments), shortfall() as lacking:
        try:
            # Here, since they log where the output goes.
            import lmms_eval.models  # noqa: F401  (loads the plug-ins)
            from lmms_eval.cli import dispatch
        except ImportError as error:
            return _say(f"lmms-eval cannot be imported ({error}): {EVAL.install}")
        try:
            with (
                replaced(sys, "argv", ["lmms-eval", *arguments]),
                _PARSE.extended(_checking),
                _RUN.extended(lambda run: _watching(run, failures)),
                _KEEP_ANSWERS.extended(_keeping_answers),
            ):
                dispatch.main()
            status: object = 0
        except SystemExit as exit_:
            status = exit_.code
        except Exception as error:
            if not _is_ours(error):
                raise
            return _say(str(error))
        if failures:
            return 1
        if status not in (0, None):
            return status if isinstance(status, int) else 1
        return _report(lacking)


def _report(lacking: Shortfall) -> int:
    """Print what a run lacks and return its exit status."""
    status = 0
    if lacking.failed:
        _say(
            f"{lacking.failed:,} of {lacking.asked:,} requests failed and count as wrong; start "
            "again with --use_cache DIR, which asks them again and keeps the other answers"
        )
        status = FAILED_REQUESTS_STATUS
    for path in lacking.unsaved:
        status = _say(f"{path} could not be written; make room, or choose another --output_path")
    return status


def _say(text: str) -> int:
    print(f"ferbench lmms-eval: {visible(text)}", file=sys.stderr)
    return 1


def _checking(parse: Function) -> Function:
    def parse_and_check() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
        parser, args = parse()
        check_invocation(parser, args)
        return parser, args

    return parse_and_check


def _watching(run: Function, failures: list[BaseException]) -> Function:
    def watched(args: argparse.Namespace | None = None) -> Any:
        try:
            if args is not None and args.tasks is None:
                failures.append(ValueError("no --tasks"))
            if args is not None:
                # A copy: what was given is printed in the end.
                args = argparse.Namespace(**reveal(vars(args)))
                learn(vars(args))
                check_run(args)
                check_cache(args.use_cache)
            return run(args)
        except Exception as error:
            failures.append(error)
            if not _is_ours(error):
                raise
            # Its message is meant for people: no traceback.
            _say(str(error))
            if int(os.environ.get("WORLD_SIZE", "1")) > 1:
                raise SystemExit(1) from None
            return None, None

    return watched


def _keeping_answers(_: Function) -> Function:
    from unifer_tasks.harness.requests.resume import ResumedAnswers

    return lambda *given, **named: ResumedAnswers(*given, **named)


def _is_ours(error: Exception) -> bool:
    return type(error).__module__.partition(".")[0] == __name__.partition(".")[0]
