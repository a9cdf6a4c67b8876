"""The requests of a run: reading replies, keeping answers, resuming, progress."""
