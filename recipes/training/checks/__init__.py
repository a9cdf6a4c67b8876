"""What can be known to fail before any GPU time is spent, each problem with its remedy.

`preflight` runs them all. A check yields sentences and raises nothing; one that follows from
settings alone is called in `setting_problems` there, which `unifer-train plan` runs too, and what
may be meant in `setting_notes`.
"""
