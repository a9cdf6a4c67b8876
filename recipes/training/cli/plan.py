"""`unifer-train plan`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from recipes.training.cli.stages import say_note
from recipes.training.configuration.overrides import superseded
from recipes.training.configuration.settings import STAGES, ConfigurationError
from recipes.training.plan.available import GIB
from unifer_tasks.support.command import Subparsers
from unifer_tasks.support.extras import TRAIN
from unifer_tasks.support.numbers import positive_integer, positive_number

ERRORS: Sequence[type[Exception]] = ()


def add(commands: Subparsers) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "plan",
        help="calculate steps, tokens, hours, memory and disk of a run, without starting it",
        description="Calculate what a run will take, from its configuration and its rows: steps, "
        "tokens, hours, memory of a GPU and of a node by part, and disk. Exit 1, with overrides "
        "that would help, where it does not fit. Needs no GPU and no weights.",
        usage="unifer-train plan STAGE CONFIG [OPTION ...] [OVERRIDE ...]",
        epilog="OVERRIDE: KEY=VALUE of any setting of verl, in hydra's grammar",
        allow_abbrev=False,
    )
    parser.add_argument("stage", choices=STAGES, help="stage of the recipe")
    parser.add_argument(
        "size", nargs="?", metavar="CONFIG", help="3b, 7b, 32b, tiny, or a YAML file"
    )
    parser.add_argument("--config", metavar="CONFIG", help="the same, as in the other commands")
    parser.add_argument(
        "--gpu-memory", type=_gib, default="80", metavar="GIB", help="memory of a GPU (default: 80)"
    )
    parser.add_argument(
        "--host-memory", type=_gib, metavar="GIB", help="memory of a node (default: not checked)"
    )
    parser.add_argument(
        "--disk", type=_gib, metavar="GIB", help="disk for the run (default: not checked)"
    )
    parser.add_argument(
        "--rows",
        type=positive_integer,
        metavar="N",
        help="training rows (default: counted in data.train_files)",
    )
    parser.add_argument(
        "--image-side",
        type=positive_integer,
        metavar="PIXELS",
        help="side of an image (default: the protocol's)",
    )
    parser.add_argument(
        "--text-tokens",
        type=positive_integer,
        metavar="N",
        help="tokens of a row's text (default: counted)",
    )
    parser.add_argument(
        "--response-tokens",
        type=positive_integer,
        metavar="N",
        help="tokens of a sampled response (default: 200)",
    )
    parser.add_argument(
        "--tokens-per-second",
        type=positive_number,
        metavar="N",
        help="throughput of a GPU, prompts and responses over a whole step (default: as "
        "published for an H100)",
    )
    parser.add_argument(
        "--sampled",
        type=positive_number,
        metavar="N",
        help="prompts sampled for each that is trained on, of dynamic sampling (default: 3)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, sizes in bytes")
    parser.set_defaults(run=_plan, overrides=[], needs=lambda _: [TRAIN])


def _plan(args: argparse.Namespace) -> int:
    from recipes.training.checks.batches import batch_problems
    from recipes.training.checks.preflight import setting_notes, setting_problems
    from recipes.training.configuration.compose import read_settings
    from recipes.training.plan.fit import Machine, fit_problems
    from recipes.training.plan.lengths import Assumed, length_problems
    from recipes.training.plan.plan import make_plan
    from recipes.training.plan.render import plan_json, plan_text

    configuration, overrides = _configuration(args)
    settings = read_settings(args.stage, configuration, overrides)
    for note in superseded(overrides):
        print(note, file=sys.stderr)
    for note in setting_notes(settings):
        say_note(note)
    given = {} if args.image_side is None else {"image_side": args.image_side}
    assumed = Assumed(
        rows=args.rows,
        text=args.text_tokens,
        response=args.response_tokens,
        rate=args.tokens_per_second,
        sampled=args.sampled,
        **given,
    )
    machine = Machine(args.gpu_memory, args.host_memory, args.disk)
    plan = make_plan(settings, assumed, machine.gpu)
    problems = [
        *setting_problems(settings),
        *batch_problems(settings, plan.workload.rows),
        *length_problems(settings, plan.lengths),
        *fit_problems(plan, settings, assumed, machine),
    ]
    print(plan_json(plan, problems) if args.json else plan_text(plan))
    if problems:
        raise ConfigurationError(*problems)
    return 0


def _configuration(args: argparse.Namespace) -> tuple[str, list[str]]:
    """Return the configuration and the overrides; the first override may be parsed as CONFIG."""
    size, overrides = args.size, list(args.overrides)
    if size is not None and args.config is not None and "=" in size:
        size, overrides = None, [size, *overrides]
    if size is not None and args.config is not None:
        raise ConfigurationError(f"{size} and --config {args.config} both name a configuration")
    found = size or args.config
    if found is None or "=" in found:
        raise ConfigurationError(
            f"no configuration is given: unifer-train plan {args.stage} 7b, for instance"
        )
    return found, overrides


def _gib(text: str) -> int:
    return int(positive_number(text) * GIB)
