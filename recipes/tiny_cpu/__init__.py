"""The recipe at a size that a CPU trains: for demos, tests and debugging."""
