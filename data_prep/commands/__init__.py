"""The subcommands of `unifer-data`, one a module: options in, a line or a list out."""
