"""lmms-eval model ids of our own, and the tiny model of tests and demo."""
