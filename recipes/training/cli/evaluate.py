"""`unifer-train evaluate`."""

from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path

from recipes.training.results.evaluation import (
    BACKEND_NAMES,
    EvaluationError,
    Model,
    check_model,
    choose_backend,
    evaluation,
    find_model,
)
from unifer_tasks.data.manifest import DATA_VARIABLE, DataError
from unifer_tasks.data.results_file import RESULTS
from unifer_tasks.support.command import Subparsers
from unifer_tasks.support.extras import EVAL, REPORT
from unifer_tasks.support.numbers import positive_integer
from unifer_tasks.support.records import FileError

ERRORS = (EvaluationError, DataError, FileError)


def add(commands: Subparsers) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "evaluate",
        help="evaluate a checkpoint on FERBench",
        description="Run FERBench on a checkpoint through lmms-eval, in vLLM where it is installed "
        "and there is a GPU, else in transformers; both give the same answers. The same command "
        "continues a run that was killed. Exit status 1 if it broke, 3 if requests failed.",
    )
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="a merged Hugging Face folder, a hub id, or RUN/global_step_N of a run without LoRA",
    )
    parser.add_argument(
        "--data",
        metavar="BENCHMARK",
        help=f"the folder that `unifer-data ferbench` wrote (default: ${DATA_VARIABLE})",
    )
    parser.add_argument(
        "--tasks",
        default="ferbench",
        metavar="A,B,...",
        help="tasks or groups of FERBench (default: %(default)s)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("results"),
        metavar="DIR",
        help="folder to write (default: %(default)s)",
    )
    parser.add_argument(
        "--limit",
        type=positive_integer,
        metavar="N",
        help="ask only the first N questions of each task",
    )
    parser.add_argument(
        "--backend",
        choices=BACKEND_NAMES,
        help="default: vllm where it is installed and there is a GPU, else transformers",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="changes",
        metavar="KEY=VALUE",
        help="as in `ferbench run`: model_args.tensor_parallel_size=4, batch_size=128",
    )
    parser.set_defaults(
        run=_evaluate,
        needs=lambda _: [EVAL, REPORT],
        interrupted="interrupted; the same command continues from here",
    )


def _evaluate(args: argparse.Namespace) -> int:
    from unifer_tasks.cli.run import run_presets

    if args.data:
        # The process that asks reads it too.
        os.environ[DATA_VARIABLE] = args.data
    model = find_model(args.model)
    check_model(model)
    backend, reason = (args.backend, "asked for") if args.backend else choose_backend()
    print(f"{model.pretrained} in {backend}: {reason}", flush=True)
    status = run_presets(
        [evaluation(model, backend)],
        args.out,
        tasks=args.tasks,
        limit=args.limit,
        changes=args.changes,
    )
    if status == 0:
        _tell_results(model, args.out / model.name)
    return status


def _tell_results(model: Model, folder: Path) -> None:
    newest = max(folder.rglob(RESULTS), key=lambda path: path.name)
    print(newest)
    if model.folder is not None:
        words = ["unifer-train", "card", str(model.folder), "--scores", str(newest)]
        print(f"for the model card: {shlex.join(words)}")
