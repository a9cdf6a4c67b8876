"""The command `unifer-data`, one subcommand a module."""

from unifer_tasks.support.command import quiet_interrupts

quiet_interrupts("unifer-data")
