"""Imported last by the server of forked trainers, which must not have loaded ray.

Loading it reads what a raylet tells a worker by its environment, and seeds what ids are drawn from.
"""

import sys

assert "ray" not in sys.modules, "a module of tests.recipes.trainer.LOADED imports ray"
