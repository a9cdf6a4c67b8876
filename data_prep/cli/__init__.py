"""The command `unifer-data`, one subcommand a module."""
