"""Verifiable rewards of the UniFER recipe: one term per module, and presets that weigh them.

verl calls `compute_score`, `trl_reward` makes the function for TRL, and `validate` checks before a
run that its rows can be scored.

The bonus of the preset `grounded` depends on the rationale's text, not on the image. It excludes
signs that are denied, supposed, hidden, looped or listed (`bonus_hacks.BONUS_HACKS`), but not
recitation: stating the prototype of the right label as if observed earns the full bonus.
"""

from unifer_rewards.fer import compute_score
from unifer_rewards.preflight import validate
from unifer_rewards.trl import trl_reward

__all__ = ["compute_score", "trl_reward", "validate"]
