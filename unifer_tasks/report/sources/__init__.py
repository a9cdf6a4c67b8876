"""Where the runs of a report come from."""
