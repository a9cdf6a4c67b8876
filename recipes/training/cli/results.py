"""`unifer-train merge`, `card` and `rollouts`."""

from __future__ import annotations

import argparse
from pathlib import Path

from recipes.training.results.card import CardError, write_checkpoint_card
from recipes.training.results.merge import MergeError, merge
from recipes.training.runs.record import RecordError
from recipes.training.runs.rollouts import RolloutsError, read_steps, rollouts_table
from unifer_tasks.support.command import Subparsers
from unifer_tasks.support.extras import TRAIN
from unifer_tasks.support.numbers import positive_integer

ERRORS = (MergeError, CardError, RecordError, RolloutsError)


def add(commands: Subparsers) -> None:
    """Add the subcommands."""
    parser = commands.add_parser(
        "merge",
        help="merge a sharded checkpoint into a Hugging Face folder with a model card",
        description="Merge the shards of a checkpoint into one Hugging Face folder with a model "
        "card, which vLLM and lmms-eval load. The adapter of a LoRA run is folded into its base.",
    )
    parser.add_argument(
        "checkpoint", type=Path, metavar="CHECKPOINT", help="RUN/global_step_N, or its actor"
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write")
    _add_scores(parser)
    parser.set_defaults(run=_merge, needs=lambda _: [TRAIN])
    parser = commands.add_parser(
        "card",
        help="write the model card of a checkpoint, or add scores to it",
        description="Write the model card of a checkpoint from the record of its run. `merge` "
        "writes one by itself; this gives one to a checkpoint of SFT, or adds scores.",
    )
    parser.add_argument(
        "checkpoint", type=Path, metavar="CHECKPOINT", help="a Hugging Face folder of a run"
    )
    _add_scores(parser)
    parser.set_defaults(run=_card)
    parser = commands.add_parser(
        "rollouts",
        help="summarize the rollouts of a run of GRPO, step by step",
        description="Show what the rollouts of a run of GRPO earned, said and left out, by step.",
    )
    parser.add_argument("folder", type=Path, metavar="RUN", help="its trainer.default_local_dir")
    parser.add_argument(
        "--lines",
        type=positive_integer,
        default=20,
        metavar="N",
        help="print at most N lines; a line is then the mean of several steps "
        "(default: %(default)s)",
    )
    parser.set_defaults(run=_rollouts)


def _add_scores(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--scores",
        type=Path,
        metavar="RESULTS.json",
        help="add these scores of lmms-eval or `ferbench score`",
    )


def _merge(args: argparse.Namespace) -> int:
    merge(args.checkpoint, args.out, args.scores)
    print(args.out)
    return 0


def _card(args: argparse.Namespace) -> int:
    print(write_checkpoint_card(args.checkpoint, args.scores))
    return 0


def _rollouts(args: argparse.Namespace) -> int:
    print(rollouts_table(read_steps(args.folder), args.lines))
    return 0
