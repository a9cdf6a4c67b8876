"""The subcommands of `ferbench`, one a module."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

from unifer_tasks.support.extras import require
from unifer_tasks.support.locks import hold, hold_file


class Subparsers(Protocol):
    """What `ArgumentParser.add_subparsers` returns."""

    def add_parser(self, name: str, **options: Any) -> argparse.ArgumentParser:
        """Add a subcommand."""


def require_extras(command: str, args: argparse.Namespace) -> None:
    """Check that what a command imports is installed.

    Args:
        command: Its name, for the message.
        args: Of a parser whose default `needs` returns, for these arguments, each `Need`. A
            command without needs nothing but the package.

    Raises:
        MissingModuleError: Something is not installed.
    """
    if "needs" in args:
        for need in args.needs(args):
            require(command, need)


@contextmanager
def sole_run(args: argparse.Namespace) -> Iterator[None]:
    """Hold what a command writes, before it does anything, until it has ended.

    Args:
        args: Of a parser whose default `writes` names the argument that is the folder to write, or
            whose default `writes_files` names those that are files. A command with neither writes
            nothing, or holds it by itself.

    Raises:
        HoldError: Another run is at work there, or it cannot be written to.
    """
    with ExitStack() as stack:
        if "writes" in args:
            stack.enter_context(hold(getattr(args, args.writes)))
        for name in getattr(args, "writes_files", ()):
            if path := getattr(args, name):
                stack.enter_context(hold_file(path))
        yield
