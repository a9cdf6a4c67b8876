"""What a run will take, calculated before anything starts: steps, tokens, hours, memory and disk.

`plan` puts together what the other modules calculate, each with its formula and source: `layout`
(how a configuration spreads a model, whose shape is of `checks.shapes`), `workload`, `memory`,
`disk`.
`fit` compares the result with a machine and finds overrides that make a run fit.
"""
