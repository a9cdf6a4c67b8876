"""lmms-eval model ids of our own: `unifer`, `replay`, and the tiny model of tests and demo."""
