"""What can be known to fail before any GPU time is spent, each problem with its remedy.

`preflight` runs them all. A check yields sentences and raises nothing.
"""
