"""Variants of the benchmark: the same images and labels, with one thing changed.

`listed` declares them; what a variant asks, shows or reads in its own way has a module.
"""
