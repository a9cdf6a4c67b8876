"""What the commands share: extras checked first, one run at a time, errors as one sentence."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from unifer_tasks.support.extras import MissingModuleError, require
from unifer_tasks.support.files import explain, require_replaceable
from unifer_tasks.support.locks import HoldError, hold, hold_file


def quiet_interrupts(name: str) -> None:
    """End a command with one line where it is interrupted before `exit_status` or after it.

    For what is imported first: a tenth of a second of imports, or a second on a busy machine. The
    process is ended by SIGINT, which is 130 to a shell.

    Args:
        name: The command. Nothing is changed in a process that is another program's.
    """
    if Path(sys.argv[0]).name == name:
        others = sys.excepthook

        def hook(kind: type[BaseException], error: BaseException, at: TracebackType | None) -> None:
            if issubclass(kind, KeyboardInterrupt):
                _say(f"{name}: interrupted")
            else:
                others(kind, error, at)

        sys.excepthook = hook


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
        OSError: The name of a file is that of a pipe or a device.
    """
    with ExitStack() as stack:
        if "writes" in args:
            stack.enter_context(hold(getattr(args, args.writes)))
        for name in getattr(args, "writes_files", ()):
            if path := getattr(args, name):
                if path.is_dir():
                    raise HoldError(f"{path} is a directory; name a file")
                require_replaceable(path)
                stack.enter_context(hold_file(path))
        yield


def in_one_line(text: str) -> str:
    """Spell out what would break a line; `visible_output` does so with all else that acts unseen.

    Names of files and cells of tables may hold a line that looks like one of ours.
    """
    return text.replace("\n", "U+000A").replace("\t", "U+0009")


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def exit_status(
    name: str,
    run: Callable[[], int],
    errors: tuple[type[Exception], ...],
    *,
    interrupted: str = "interrupted",
    say: Callable[[str], None] = _say,
) -> int:
    """Run a command; return its exit status, with what ended it early as one sentence.

    Args:
        name: The command, for the message.
        run: Return the status of a run that came to its end.
        errors: Those of its own, beside missing modules, held folders and the system's.
        interrupted: The message of an interrupt.
        say: Print a message.

    Returns:
        The status of `run`, 1 after an error, 130 after an interrupt.
    """
    try:
        return run()
    except (HoldError, MissingModuleError) as error:
        say(f"{name}: {in_one_line(str(error))}")
        return 1
    except errors as error:
        say(f"{name}: {error}")
        return 1
    except OSError as error:
        say(f"{name}: {in_one_line(explain(error))}")
        return 1
    except KeyboardInterrupt:
        say(f"{name}: {interrupted}")
        return 130
