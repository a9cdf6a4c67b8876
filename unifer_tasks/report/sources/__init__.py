"""Read the runs of a report."""
