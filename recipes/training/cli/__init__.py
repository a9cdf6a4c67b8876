"""The command `unifer-train`: `main`, and a module for each kind of subcommand."""
