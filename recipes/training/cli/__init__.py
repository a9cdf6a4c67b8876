"""The command `unifer-train`: `main`, and a module for each kind of subcommand."""

from unifer_tasks.support.command import quiet_interrupts

quiet_interrupts("unifer-train")
