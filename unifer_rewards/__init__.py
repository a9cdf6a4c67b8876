"""Verifiable rewards of the UniFER recipe: one term a module, presets that weigh them.

`fer.compute_score` is what verl calls, `trl.trl_reward` makes what TRL calls, and
`preflight.validate` proves before a run that its rows can be scored.
"""
