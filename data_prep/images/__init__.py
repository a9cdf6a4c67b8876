"""What is known of an image: its inspection, its fingerprints, near duplicates and leaks."""
