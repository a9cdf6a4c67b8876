"""Answers -> figures: predictions, metrics, intervals, paired tests, the summary of a run."""
