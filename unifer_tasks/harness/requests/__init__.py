"""The requests of a run: sorted replies, kept answers, resuming, progress."""
