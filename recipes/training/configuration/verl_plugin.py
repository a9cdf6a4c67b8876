"""UniFER's plug-in of verl, which imports it in each of its processes (`verl.plugins`).

So verl computes the numbers of a recipe itself, whether `unifer-train` starts it or a user does.
"""

from recipes.training.configuration.resolvers import register_resolvers

register_resolvers()
