"""Start verl's trainer, watch it, resume it, and leave nothing of it behind."""
