"""The contents of a run's folder and how they are read: record, checkpoints, metrics, rollouts."""
