"""Verifiable rewards of the UniFER recipe: one term a module, presets that weigh them.

`fer.compute_score` is what verl calls, `trl.trl_reward` makes what TRL calls, and
`preflight.validate` proves before a run that its rows can be scored.

The bonus of the preset `grounded` reads the rationale's text and no picture. It refuses what is
denied, supposed, hidden, looped or listed (`bonus_hacks.BONUS_HACKS`), but it cannot refuse a
recitation: the prototype of the right label, said as if it were seen, earns it in full.
"""
