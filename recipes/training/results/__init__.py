"""A run's sharded checkpoint -> one Hugging Face folder with a model card."""
