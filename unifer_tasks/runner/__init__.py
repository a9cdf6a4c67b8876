"""Many models: presets, jobs, spend."""
