"""What lies on disk: the benchmark folder, the sample logs of runs, what a run covered."""
