"""verl configurations and launch scripts, run from a clone of the repository."""
