"""The terms of a reward, one per module."""
