"""`ferbench preset`: the presets by name, and what lmms-eval needs to run one."""

from __future__ import annotations

import argparse

from unifer_tasks.support.command import Subparsers
from unifer_tasks.support.extras import PRESET


def add(commands: Subparsers) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "preset",
        help="print a preset as a configuration of lmms-eval, or list them",
        description="Print the YAML file that `lmms-eval --config` takes for a model. Without a "
        "name, list the presets.",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="a preset, or a file with one")
    parser.set_defaults(run=_run, needs=lambda args: [PRESET] if args.name else [])


def _run(args: argparse.Namespace) -> int:
    from unifer_tasks.runner.presets import PresetError, as_configuration, find_presets, shipped

    if args.name is None:
        print("\n".join(preset.name for preset in shipped()))
        return 0
    presets = find_presets([args.name])
    if len(presets) > 1:
        names = ", ".join(preset.name for preset in presets)
        raise PresetError(f"{args.name} is {len(presets)} presets; name one of {names}")
    print(as_configuration(presets[0]), end="")
    return 0
