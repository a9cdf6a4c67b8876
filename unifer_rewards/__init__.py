"""Verifiable rewards of the UniFER recipe: one term per module, and presets that weigh them.

verl calls `fer.compute_score`, `trl.trl_reward` makes the function for TRL, and
`preflight.validate` checks before a run that its rows can be scored.

The bonus of the preset `grounded` depends on the rationale's text, not on the image. It excludes
signs that are denied, supposed, hidden, looped or listed (`bonus_hacks.BONUS_HACKS`), but not
recitation: stating the prototype of the right label as if observed earns the full bonus.
"""
