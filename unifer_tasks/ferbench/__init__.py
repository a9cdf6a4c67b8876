"""The lmms-eval task folder: YAML leaves on one template, and what they call."""
