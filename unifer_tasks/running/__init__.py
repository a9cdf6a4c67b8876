"""Many models, one after the other or side by side: what `ferbench run` does."""
