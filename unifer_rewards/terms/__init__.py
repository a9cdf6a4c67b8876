"""The terms of a reward, one a module."""
