"""lmms-eval model ids of our own: `unifer` and `replay`, and the tiny model of tests and demo."""
