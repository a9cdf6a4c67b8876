"""The command `ferbench`, one subcommand a module."""
