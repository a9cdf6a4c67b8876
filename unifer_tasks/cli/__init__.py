"""The command `ferbench`, one subcommand a module."""

from unifer_tasks.support.command import quiet_interrupts

quiet_interrupts("ferbench")
