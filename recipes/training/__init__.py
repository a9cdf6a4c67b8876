"""The Python behind `unifer-train`: verl run so that a failure cannot pass for a success.

Rooms, each of which imports only those before it: `configuration` (YAML and overrides -> typed
settings), `runs` (the contents of a run's folder), `checks` (what can be known to fail beforehand),
`plan` (what a run will take), `launch` (start, watch, clean up), `results` (a checkpoint -> a
model with a card), `cli`.
"""
