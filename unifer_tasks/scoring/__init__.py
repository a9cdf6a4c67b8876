"""Answers -> figures: metrics, intervals, paired tests, calibration, the summary of a run."""
